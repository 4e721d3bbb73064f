"""Builds a set with many differences and few sums from the weights in genome.json.

    python3 solve.py

The members are the sums of at most 4 weights, each weight as often as one likes: the points of a simplex, written as numbers.
Weights that are powers of 9, as they are here at first, keep all sums apart; smaller ones make the largest member smaller
and let some sums coincide.
"""

import json
import math
from itertools import combinations_with_replacement

SUMMANDS = 4


def members(weights):
    """The set, in order."""
    return sorted({sum(chosen) for chosen in combinations_with_replacement([0, *weights], SUMMANDS)})


def exponent(found):
    """1 + log(|U - U| / |U + U|) / log(2 max U + 1)."""
    sums = {a + b for a in found for b in found}
    differences = {a - b for a in found for b in found}
    return 1.0 + math.log(len(differences) / len(sums)) / math.log(2 * max(found) + 1)


def main():
    with open("genome.json", encoding="utf-8") as file:
        weights = [max(1, round(weight)) for weight in json.load(file)]
    found = members(weights)
    with open("set.json", "w", encoding="utf-8") as file:
        json.dump({"members": found}, file)
    print(f"exponent {exponent(found):.9f}, {len(found)} members up to {found[-1]}")


if __name__ == "__main__":
    main()
