"""Are intervals of throughput true, and is load noticed? One configuration, measured again and again.

    cargo build --release
    python benches/measuring.py [MINUTES]          # 30 by default

Two thirds of the time as the machine is, one third with a busy loop on one core, forty seconds on and forty off. Prints
how many of the 95 % intervals, as they stood right after each measurement, contain the long-run value; how far raw rates
spread, and how far at the machine's usual speed (by the probes around each); and which loaded measurements were flagged.
"""

import datetime
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = os.path.abspath(os.environ.get("EFFSWEEP", "target/release/effsweep"))

SWEEP = """
[sweep]
name = "one"
[data]
set = "shapes"
train_images = 128
test_images = 64
[model]
preset = "nano"
[train]
epochs = 1
resolution = 32
batch_size = 64
[measure]
budget_s = 2.0
wait_s = {wait}
"""


class BusyLoop(threading.Thread):
    """Keeps one core busy, forty seconds of eighty; notes when."""

    def __init__(self):
        super().__init__(daemon=True)
        self.spans = []

    def run(self):
        while True:
            start = time.time()
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            time.sleep(40)
            process.kill()
            self.spans.append((start, time.time()))
            time.sleep(40)


def rows(db, after):
    return db.execute(
        """SELECT id, kind, images_per_s, images_per_s_low, images_per_s_high, probe_before, probe_after, quiet,
                  foreign_load, waited_s, taken_at FROM measurements WHERE id > ? ORDER BY id""",
        (after,),
    ).fetchall()


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def spread(values):
    return 100 * statistics.stdev(values) / statistics.mean(values)


def main():
    minutes = float((sys.argv[1:] or [30])[0])
    folder = tempfile.mkdtemp()
    sweep, path = os.path.join(folder, "one.toml"), os.path.join(folder, "one.db")

    def write(wait):
        with open(sweep, "w") as file:
            file.write(SWEEP.format(wait=wait))

    def call(*arguments):
        subprocess.run([PROGRAM, "--quiet", "--db", path, *arguments], check=True, stdout=subprocess.DEVNULL)

    write(60.0)
    call("run", sweep, "--no-measure")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    calm, loaded, rounds = [], [], 0

    def measure(into):
        nonlocal rounds
        rounds += 1
        last = max([0] + [row[0] for row in calm + loaded])
        call("measure", sweep, "--rounds", str(rounds))
        into.extend(rows(db, last))

    end = time.time() + 40 * minutes
    for index in range(20):
        measure(calm)
        time.sleep(max(0.0, (end - time.time()) / (20 - index)))
    busy = BusyLoop()
    write(0.0)
    busy.start()
    end = time.time() + 20 * minutes
    while time.time() < end:
        measure(loaded)
        time.sleep(15)
    busy.spans.append((busy.spans[-1][1] + 40, time.time()))

    for kind in ("train", "inference"):
        own = [row for row in calm if row[1] == kind]
        rates = [row[2] for row in own]
        usual = statistics.median((row[5] + row[6]) / 2 for row in own)
        corrected = [row[2] * usual / ((row[5] + row[6]) / 2) for row in own]
        truth = statistics.median(rates)
        inside = sum(row[3] <= truth <= row[4] for row in own)
        quiet = sum(row[7] for row in own)
        width = statistics.median((row[4] - row[3]) / row[2] for row in own)
        print(f"{kind}: {len(own)} measurements in {2 * minutes / 3:.0f} minutes, {quiet} of them quiet, median {truth:.0f} images/s")
        print(f"  intervals that contain it: {inside} of {len(own)}; their median width {100 * width:.1f} %")
        print(f"  spread (deviation / mean): {spread(rates):.2f} % raw, {spread(corrected):.2f} % at the usual speed")

    def is_loaded(row):
        # A measurement takes a few seconds up to `taken_at`.
        at = seconds(row[10])
        return any(start + 1 < at and at - 4 < stop for start, stop in busy.spans)

    flagged = [row for row in loaded if is_loaded(row)]
    free = [row for row in loaded if not is_loaded(row)]
    print(f"with a busy loop: {len(flagged)} loaded measurements, {sum(not row[7] for row in flagged)} flagged;"
          f" {len(free)} between them, {sum(not row[7] for row in free)} flagged")
    for kind in ("train", "inference"):
        rates = [row[2] for row in flagged if row[1] == kind]
        if rates:
            print(f"  {kind} under load: median {statistics.median(rates):.0f} images/s")


if __name__ == "__main__":
    main()
