"""How many trials a second Optuna and rustuna record, beside effsweep: interleaved rounds in one run.

    python3 -m venv v && v/bin/pip install optuna==5.0.0 rustuna==0.2.0
    v/bin/python benches/peers/storage.py

A trial is empty: six parameters, two attributes, two objectives, recorded through each tool's own interface into
SQLite. effsweep claims and finishes trials of a registered sweep (`cargo bench --bench store -- claims`, write-ahead
log, synchronous=FULL). Optuna and rustuna use their own defaults, which are printed.
"""

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import Process

TRIALS = 1000
ROUNDS = 5
PROCESSES = 16


def objective(trial):
    total = sum(trial.suggest_float(f"x{i}", -10, 10) ** 2 for i in range(6))
    trial.set_user_attr("git", "a")
    trial.set_user_attr("host", "h")
    return total, -total


def study(path):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name="s",
        directions=["maximize", "minimize"],
        storage=f"sqlite:///{path}",
        sampler=optuna.samplers.RandomSampler(seed=0),
        load_if_exists=True,
    )


def optuna_rate(folder, trials):
    one = study(os.path.join(folder, "optuna.db"))
    start = time.time()
    one.optimize(objective, n_trials=trials)
    return trials / (time.time() - start)


def rustuna_rate(folder, trials):
    import rustuna

    one = rustuna.create_study(
        study_name="s",
        directions=["maximize", "minimize"],
        storage=rustuna.storages.SQLite3Storage(os.path.join(folder, "rustuna.db")),
    )
    start = time.time()
    one.optimize(objective, n_trials=trials)
    return trials / (time.time() - start)


def effsweep_rate(_folder, _trials):
    out = subprocess.run(
        ["cargo", "bench", "--quiet", "--bench", "store", "--", "claims"], capture_output=True, text=True, check=True
    ).stdout
    line = next(line for line in out.splitlines() if line.startswith("claiming"))
    return float(line.split()[-2])


def work(path, trials):
    try:
        study(path).optimize(objective, n_trials=trials)
    except Exception as error:  # a lock error is what is asked about
        print(f"  a process ended with {type(error).__name__}: {str(error).splitlines()[0][:100]}", flush=True)
        sys.exit(1)


def crowd(folder):
    """Optuna's rate with sixteen processes on one database, and how many of them ended with an error."""
    path = os.path.join(folder, "crowd.db")
    study(path)
    each = 20
    processes = [Process(target=work, args=(path, each)) for _ in range(PROCESSES)]
    start = time.time()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    rate = PROCESSES * each / (time.time() - start)
    return rate, sum(process.exitcode != 0 for process in processes)


def pragmas(path):
    with sqlite3.connect(path) as db:
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]


def main():
    import optuna

    tools = {"optuna": optuna_rate, "effsweep": effsweep_rate}
    print(f"optuna {optuna.__version__}")
    try:
        import rustuna

        tools["rustuna"] = rustuna_rate
        print(f"rustuna {getattr(rustuna, '__version__', '')}")
    except ImportError as error:
        print(f"SKIPPED: rustuna: {error}")
    rates = {name: [] for name in tools}
    for round in range(ROUNDS):
        for name, rate in list(tools.items()):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    rates[name].append(rate(folder, TRIALS // 4))
                    if round == 0 and name != "effsweep":
                        print(name, *pragmas(os.path.join(folder, f"{name}.db")))
                except Exception as error:
                    print(f"SKIPPED: {name}: {type(error).__name__}: {str(error)[:200]}")
                    del tools[name]
    for name, of in rates.items():
        if of:
            print(f"{name:<10} {statistics.median(of):>8.0f} trials/s  ({min(of):.0f} to {max(of):.0f}, {len(of)} rounds)")
    with tempfile.TemporaryDirectory() as folder:
        rate, errors = crowd(folder)
        print(f"optuna, {PROCESSES} processes: {rate:.0f} trials/s, {errors} of them ended with an error")


if __name__ == "__main__":
    main()
