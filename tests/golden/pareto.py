"""Fronts, ranks and hypervolumes of 1,000 random sets of points, by pymoo and moocore: writes `pareto.csv`.

    pip install pymoo moocore numpy
    python tests/golden/pareto.py

Points come from SplitMix64 seeded with the number of the case, so that the file holds results only. Every second
case has values on a coarse grid: ties and equal points abound.
"""

import csv
import os

import moocore
import numpy
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

CASES = 1000
MASK = 2**64 - 1


def stream(seed):
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def case(number):
    """Objectives (all to be minimized) and points of a case."""
    draw = stream(number)
    objectives = 2 + next(draw) % 4
    count = 1 + next(draw) % 40
    grid = number % 2 == 1
    value = lambda: next(draw) % 8 / 8 if grid else (next(draw) >> 11) / 2**53
    return numpy.array([[value() for _ in range(objectives)] for _ in range(count)])


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pareto.csv")
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "ranks", "hypervolume", "contributions"])
        for number in range(CASES):
            points = case(number)
            reference = numpy.ones(points.shape[1])
            ranks = numpy.zeros(len(points), dtype=int)
            for rank, front in enumerate(NonDominatedSorting().do(points)):
                ranks[front] = rank
            mask = moocore.is_nondominated(points, keep_weakly=True)
            assert ((ranks == 0) == mask).all(), number
            volume = HV(ref_point=reference)(points)
            assert abs(volume - moocore.hypervolume(points, ref=reference)) < 1e-12, number
            contributions = moocore.hv_contributions(points, ref=reference, ignore_dominated=False)
            writer.writerow([
                number,
                " ".join(map(str, ranks)),
                repr(float(volume)),
                # Ten digits: differences of volumes have no more.
                " ".join(f"{value:.10f}".rstrip("0").rstrip(".") for value in contributions),
            ])


if __name__ == "__main__":
    main()
