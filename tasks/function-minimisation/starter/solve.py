"""Minimises f(x, y) = sin(x) cos(y) + sin(x y) + (x^2 + y^2) / 20 on [-5, 5] x [-5, 5] by random search.

    python3 solve.py

Ten trials, one for each seed from 1 to 10, whose points go to points.json. genome.json tells the middle of the box that is
searched and half of its width; at first it is the whole square, as in the published seed.
"""

import json
import math
import random

BOUND = 5.0
TRIALS = 10
SAMPLES = 1000


def value(x, y):
    """The function."""
    return math.sin(x) * math.cos(y) + math.sin(x * y) + (x * x + y * y) / 20.0


def search(seed, middle_x, middle_y, reach):
    """The best of many random points in a box."""
    stream = random.Random(seed)
    best, best_value = None, math.inf
    for _ in range(SAMPLES):
        x = min(max(middle_x + reach * (2.0 * stream.random() - 1.0), -BOUND), BOUND)
        y = min(max(middle_y + reach * (2.0 * stream.random() - 1.0), -BOUND), BOUND)
        found = value(x, y)
        if found < best_value:
            best, best_value = [x, y], found
    return best


def main():
    with open("genome.json", encoding="utf-8") as file:
        middle_x, middle_y, reach = json.load(file)
    points = [search(seed, middle_x, middle_y, abs(reach)) for seed in range(1, TRIALS + 1)]
    with open("points.json", "w", encoding="utf-8") as file:
        json.dump({"points": points}, file)
    print(f"best value {min(value(x, y) for x, y in points):.9f}")


if __name__ == "__main__":
    main()
