"""The seed: the best of a thousand random placements.

    python3 seed.py

Writes points.json.
"""

import json
import random
from itertools import combinations

POINTS = 11
PLACEMENTS = 1000


def smallest(points):
    """The smallest triangle's part of the whole."""
    return min(
        abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) for (ax, ay), (bx, by), (cx, cy) in combinations(points, 3)
    )


def placement(stream):
    """Random points in the triangle."""
    points = [[stream.random(), stream.random()] for _ in range(POINTS)]
    return [[x, y] if x + y <= 1.0 else [1.0 - x, 1.0 - y] for x, y in points]


def main():
    stream = random.Random(1)
    points = max((placement(stream) for _ in range(PLACEMENTS)), key=smallest)
    with open("points.json", "w", encoding="utf-8") as file:
        json.dump({"points": points}, file)
    print(f"smallest triangle {smallest(points):.12f}")


if __name__ == "__main__":
    main()
