#!/usr/bin/env python3
"""Trains and infers the same network here and in PyTorch, Burn or Candle, turn by turn, and prints the ratios.

  python3 -m venv target/peers && target/peers/bin/pip install torch numpy
  cargo bench --bench step --no-run
  target/peers/bin/python benches/compare.py                       every cell of benches/step.rs (hours)
  target/peers/bin/python benches/compare.py --short               the main cells (a quarter of an hour)
  target/peers/bin/python benches/compare.py --cells bn,64,64,32   one: norm, G, batch, side
  target/peers/bin/python benches/compare.py --forms eager channels_last compile_channels_last

  cargo build --release --manifest-path benches/peers/rust/Cargo.toml --target-dir target/peers-rust
  target/peers/bin/python benches/compare.py --short --forms burn   (or candle; without proxy norm)

The best of the forms counts. Peak memory is the process's largest resident size, PyTorch's libraries (about 250
MiB) and its input among them. Every cell is measured --rounds times, the programs taking turns; medians are shown.
"""

import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXPANSION = {1: 6, 4: 5, 16: 4, 64: 3}


def cells(named, short):
    if named:
        for cell in named:
            norm, *numbers = cell.split(",")
            yield norm, *map(int, numbers)
        return
    if short:
        for norm in ["bn", "gn", "ln", "ln+pn"]:
            for group_size in [1, 16]:
                yield norm, group_size, 64, 32
        return
    for group_size in [1, 4, 16, 64]:
        for norm in ["bn", "gn", "ln", "ln+pn"]:
            yield norm, group_size, 64, 32
    for batch in [1, 8, 256]:
        for norm in ["bn", "ln+pn"]:
            for group_size in [1, 16]:
                yield norm, group_size, batch, 32
    for side in [112, 224]:
        for norm in ["bn", "ln+pn"]:
            for group_size in [1, 16]:
                yield norm, group_size, 16, side


def peer(form, cell, options):
    """The command that measures a cell in a form of PyTorch's, or in one of Rust's frameworks."""
    if form in ("burn", "candle"):
        return [ROOT / f"target/peers-rust/release/{form}_step", *cell, options.seconds]
    common = ["--threads", options.threads, "--seconds", options.seconds]
    return [sys.executable, ROOT / "benches/peers/pytorch_step.py", *cell, *common, "--form", form]


def run(command, threads):
    # Memory stays with the process, as in a worker of a sweep.
    environment = {**os.environ, "MIMALLOC_PURGE_DELAY": "-1", "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        print(done.stderr[-500:], file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="the main cells only")
    parser.add_argument("--cells", nargs="+", help="these cells only: norm,G,batch,side")
    parser.add_argument("--forms", nargs="+", default=["channels_last"], help="PyTorch's forms, burn, candle: what to take the best of")
    parser.add_argument("--kinds", nargs="+", default=["train", "inference"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    built = [path for path in glob.glob(str(ROOT / "target/release/deps/step-*")) if not path.endswith(".d")]
    if not built:
        sys.exit("build first: cargo bench --bench step --no-run")
    ours = max(built, key=os.path.getmtime)
    common = ["--threads", options.threads, "--seconds", options.seconds]
    print(f"{'':<10} {'norm':<6} {'G':>3} {'batch':>5} {'side':>4} {'effsweep':>9} {'peer':>9} {'form':<22} {'ratio':>6} {'MiB':>6} {'MiB':>6} {'share':>6}")
    for norm, group_size, batch, side in cells(options.cells, options.short):
        for kind in options.kinds:
            cell = [kind, norm, group_size, EXPANSION[group_size], batch, side]
            measured = {form: [] for form in ["effsweep", *options.forms]}
            for _ in range(options.rounds):
                measured["effsweep"].append(run([ours, *cell, *common], options.threads))
                for form in options.forms:
                    measured[form].append(run(peer(form, cell, options), options.threads))
            median = lambda form, key: statistics.median([one[key] for one in measured[form] if one] or [0])
            best = max(options.forms, key=lambda form: median(form, "images_per_s"))
            rate, their_rate = median("effsweep", "images_per_s"), median(best, "images_per_s")
            peak, their_peak = median("effsweep", "peak_mib"), median(best, "peak_mib")
            ratio = rate / their_rate if their_rate else float("nan")
            share = peak / their_peak if their_peak else float("nan")
            kind = "training" if kind == "train" else kind
            print(
                f"{kind:<10} {norm:<6} {group_size:>3} {batch:>5} {side:>4} {rate:>9.1f} {their_rate:>9.1f} {best:<22} {ratio:>6.2f} {peak:>6.0f} {their_peak:>6.0f} {share:>6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
