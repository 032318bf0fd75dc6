"""The same fronts and hypervolumes with moocore (C): the quickest of five, milliseconds.

    pip install moocore numpy
    python benches/peers/fronts.py && cargo bench --bench scale
"""

import time

import moocore
import numpy


def quickest(run):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def random_points(count, objectives):
    return numpy.random.default_rng(7).random((count, objectives))


def on_sphere(points):
    return points / numpy.linalg.norm(points, axis=1, keepdims=True)


def main():
    print("moocore", moocore.__version__)
    for count, objectives in [(100_000, 2), (1_000_000, 2), (100_000, 3), (100_000, 4)]:
        points = random_points(count, objectives)
        took = quickest(lambda: moocore.is_nondominated(points, maximise=True, keep_weakly=True))
        print(f"front of {count} random points, {objectives} objectives {took:9.1f} ms")
    for objectives in (3, 4):
        points = on_sphere(random_points(10_000, objectives))
        took = quickest(lambda: moocore.is_nondominated(points, maximise=True, keep_weakly=True))
        print(f"front of 10000 unbeaten points, {objectives} objectives {took:9.1f} ms")
    points = random_points(100_000, 2)
    took = quickest(lambda: moocore.pareto_rank(points, maximise=True))
    print(f"ranks of 100000 random points, 2 objectives {took:9.1f} ms")
    for count, objectives in [(100_000, 2), (10_000, 3), (300, 4), (100, 5)]:
        points = on_sphere(random_points(count, objectives))
        took = quickest(lambda: moocore.hypervolume(points, ref=numpy.zeros(objectives), maximise=True))
        print(f"hypervolume of {count} unbeaten points, {objectives} objectives {took:9.1f} ms")


if __name__ == "__main__":
    main()
