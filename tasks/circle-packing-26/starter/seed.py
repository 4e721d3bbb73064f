"""The published seed: a circle in the middle, rings of 8 and 16 around it, the rest in a corner; radii by pairs.

    python3 seed.py

Writes packing.json. The sum of radii is 0.9598.
"""

import json
import math

CIRCLES = 26
RINGS = ((8, 0.3), (16, 0.7))  # circles, distance from the middle


def centres():
    """Where the circles are, all at least 0.01 inside the square."""
    found = [[0.5, 0.5]]
    for count, distance in RINGS:
        for index in range(count):
            angle = 2 * math.pi * index / count
            found.append([0.5 + distance * math.cos(angle), 0.5 + distance * math.sin(angle)])
    found += [[0.0, 0.0]] * (CIRCLES - len(found))
    return [[min(max(x, 0.01), 0.99), min(max(y, 0.01), 0.99)] for x, y in found]


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
