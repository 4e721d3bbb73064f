"""Packs practice instances with heuristic.py and prints the excess over the bound, in percent.

    python3 practice.py [--family weibull] [--items 5000] [--instances 5] [--seed 1]

The grader packs fresh instances in its own copy of these rules; changing this file changes nothing.
"""

import argparse
import math
import random

from heuristic import priority

CAPACITY = {"weibull": 100, "uniform": 150}


def random_items(stream, family, count):
    """Sizes of items in the order of their arrival."""
    if family == "uniform":
        return [stream.randint(20, 100) for _ in range(count)]
    return [min(100, max(1, int(stream.weibullvariate(45, 3)))) for _ in range(count)]


def bins_used(items, capacity):
    """How many bins the heuristic needs."""
    bins, used = [0] * (capacity + 1), 0  # how many bins there are for each room
    for item in items:
        rooms = [room for room in range(item, capacity) if bins[room]] + [capacity]
        priorities = priority(item, rooms)
        room = rooms[priorities.index(max(priorities))]
        if room == capacity:
            used += 1
        else:
            bins[room] -= 1
        bins[room - item] += 1
    return used


def main():
    arguments = argparse.ArgumentParser(description="Pack practice instances with a heuristic.")
    arguments.add_argument("--family", choices=sorted(CAPACITY), default="weibull")
    arguments.add_argument("--items", type=int, default=5000)
    arguments.add_argument("--instances", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    stream, capacity = random.Random(arguments.seed), CAPACITY[arguments.family]
    used = bound = 0
    for _ in range(arguments.instances):
        items = random_items(stream, arguments.family, arguments.items)
        used += bins_used(items, capacity)
        bound += math.ceil(sum(items) / capacity)
    print(f"{100 * (used - bound) / bound:.3f} % more than the bound: {used} bins, not {bound}")


if __name__ == "__main__":
    main()
