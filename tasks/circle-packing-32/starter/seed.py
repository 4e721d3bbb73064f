"""The seed: 32 of the 36 places of a square grid; radii by pairs.

    python3 seed.py

Writes packing.json. The sum of radii is 1.7412.
"""

import json
import math

CIRCLES = 32
SIDE = 6


def centres():
    """Where the circles are, row by row."""
    places = [[(column + 0.5) / SIDE, (row + 0.5) / SIDE] for row in range(SIDE) for column in range(SIDE)]
    return places[:CIRCLES]


def radii(points):
    """As far as the walls, then both circles of each pair that overlaps shrunk in proportion, in order."""
    found = [min(x, y, 1 - x, 1 - y) for x, y in points]
    for i in range(len(points)):
        for j in range(i + 1, len(points)):
            distance = math.dist(points[i], points[j])
            if found[i] + found[j] > distance:
                scale = distance / (found[i] + found[j])
                found[i] *= scale
                found[j] *= scale
    return [radius * (1 - 1e-12) for radius in found]  # rounding must not make them overlap


def main():
    points = centres()
    circles = [[x, y, radius] for (x, y), radius in zip(points, radii(points))]
    with open("packing.json", "w", encoding="utf-8") as file:
        json.dump({"circles": circles}, file)
    print(f"sum of radii {sum(radius for _, _, radius in circles):.6f}")


if __name__ == "__main__":
    main()
