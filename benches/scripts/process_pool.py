"""Prints the tasks per second of concurrent.futures.ProcessPoolExecutor.

Arguments: workers, microseconds per task, tasks.
"""
import sys
import time
from concurrent.futures import ProcessPoolExecutor


def compute(micros):
    end = time.perf_counter() + micros / 1e6
    while time.perf_counter() < end:
        pass


def main():
    workers, micros, tasks = map(int, sys.argv[1:])
    with ProcessPoolExecutor(workers) as pool:
        for future in [pool.submit(compute, 0) for _ in range(4 * workers)]:
            future.result()
        start = time.perf_counter()
        for future in [pool.submit(compute, micros) for _ in range(tasks)]:
            future.result()
        print(tasks / (time.perf_counter() - start))


main()
