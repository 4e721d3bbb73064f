"""Builds a cap set greedily from whole orbits, in the order of the weights in genome.json.

    python3 solve.py [DIMENSION]

An orbit is what a vector becomes by rotating it two places at a time and by changing all signs (1 <-> 2). The genome has a
weight for each orbit, the heaviest come first, of equal ones the first in the order of `orbits`; an orbit is taken if no line
appears. Where the genome has no weight, as in another dimension than 6, it is 0.
"""

import json
import sys
from itertools import product


def orbits(dimension):
    """All orbits, that of the zero vector last."""
    found, seen = [], set()
    for vector in product(range(3), repeat=dimension):
        if vector in seen:
            continue
        shifts = [2 * turn % dimension for turn in range(dimension)]
        turns = [vector[shift:] + vector[:shift] for shift in shifts]
        orbit = sorted({value for turn in turns for value in (turn, tuple(-digit % 3 for digit in turn))})
        seen.update(orbit)
        found.append(orbit)
    return found[::-1]


def number(vector):
    """The vector as a number in base 3."""
    value = 0
    for digit in vector:
        value = 3 * value + digit
    return value


def thirds(dimension):
    """For two vectors' numbers, a function to the third vector on their line."""
    half = dimension // 2
    sizes = 3**half, 3 ** (dimension - half)

    def table(places):
        vectors = list(product(range(3), repeat=places))
        return [[number([(-a - b) % 3 for a, b in zip(x, y)]) for y in vectors] for x in vectors]

    high, low = table(half), table(dimension - half)
    base = sizes[1]
    return lambda x, y: high[x // base][y // base] * base + low[x % base][y % base]


def greedy(dimension, weights):
    """The cap set, as numbers."""
    choices = orbits(dimension)
    weights = weights + [0.0] * (len(choices) - len(weights))
    third = thirds(dimension)
    cap, blocked = [], set()
    for index in sorted(range(len(choices)), key=lambda index: -weights[index]):
        added, newly_blocked = [], set()
        for value in map(number, choices[index]):
            if value in blocked or value in newly_blocked:
                break
            newly_blocked.update([third(value, other) for other in cap])
            newly_blocked.update([third(value, other) for other in added])
            added.append(value)
        else:
            if newly_blocked.isdisjoint(added) and newly_blocked.isdisjoint(cap):
                cap += added
                blocked |= newly_blocked
    return cap


def digits(value, dimension):
    """The vector of a number."""
    return [value // 3**place % 3 for place in reversed(range(dimension))]


def main():
    dimension = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    with open("genome.json", encoding="utf-8") as file:
        weights = json.load(file)
    cap = greedy(dimension, weights)
    with open("cap.json", "w", encoding="utf-8") as file:
        json.dump({"vectors": [digits(value, dimension) for value in sorted(cap)]}, file)
    print(f"{len(cap)} vectors")


if __name__ == "__main__":
    main()
