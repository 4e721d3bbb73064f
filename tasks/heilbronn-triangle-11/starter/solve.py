"""Points in a triangle: takes those in genome.json to a local optimum of the smallest triangle among three of them.

    python3 solve.py

Writes points.json, and the improved points back to genome.json. The smallest area is a variable of its own that no
triangle may fall below: an augmented Lagrangian, whose constraints are the triangles and the walls. A triangle may turn
over only between two rounds. Then one or two points are put elsewhere, again and again, and a better optimum is kept.
From the points that genome.json begins with it reaches a mediocre optimum; which one is found depends on the points
alone, as they are the seed of the random numbers, too.
"""

import json
import math
import random
from itertools import combinations

from descent import minimise

ROUNDS = 9  # of the augmented Lagrangian
ITERATIONS = 30  # of the quasi-Newton method in each round
TRIALS = 20  # with one or two points elsewhere


class Points:
    """The augmented Lagrangian. A point `z` is all x, then all y, then the smallest area."""

    def __init__(self, count):
        self.count = count
        self.penalty = 0.3
        self.triples = list(combinations(range(count), 3))
        self.signs = []
        self.multipliers = [0.0] * len(self.triples)
        self.walls = [0.0] * (3 * count)

    def areas(self, z):
        """Twice the signed area of each triple."""
        n = self.count
        x, y = z[:n], z[n : 2 * n]
        return [(x[j] - x[i]) * (y[k] - y[i]) - (x[k] - x[i]) * (y[j] - y[i]) for i, j, k in self.triples]

    def look_around(self, z):
        """Notes which way round each triangle is now."""
        signs = [1.0 if area >= 0.0 else -1.0 for area in self.areas(z)]
        if self.signs:
            turned = [old != new for old, new in zip(self.signs, signs)]
            self.multipliers = [0.0 if t else m for t, m in zip(turned, self.multipliers)]
        self.signs = signs

    def evaluate(self, z):
        """Value and gradient."""
        n, penalty = self.count, self.penalty
        x, y, least = z[:n], z[n : 2 * n], z[2 * n]
        gx, gy, g = [0.0] * n, [0.0] * n, -1.0
        total = 0.0
        for (i, j, k), sign, multiplier in zip(self.triples, self.signs, self.multipliers):
            xi, yi = x[i], y[i]
            ax, ay, bx, by = x[j] - xi, y[j] - yi, x[k] - xi, y[k] - yi
            force = multiplier + penalty * (least - sign * (ax * by - bx * ay))
            if force > 0.0:
                total += force * force
                g += force
                force *= sign
                gx[j] -= force * by
                gx[k] += force * ay
                gx[i] += force * (by - ay)
                gy[j] += force * bx
                gy[k] -= force * ax
                gy[i] += force * (ax - bx)
        for i in range(n):
            force = self.walls[3 * i] - penalty * x[i]
            if force > 0.0:
                total += force * force
                gx[i] -= force
            force = self.walls[3 * i + 1] - penalty * y[i]
            if force > 0.0:
                total += force * force
                gy[i] -= force
            force = self.walls[3 * i + 2] + penalty * (x[i] + y[i] - 1.0)
            if force > 0.0:
                total += force * force
                gx[i] += force
                gy[i] += force
        return total / (2.0 * penalty) - least, gx + gy + [g]

    def learn(self, z):
        """Moves the multipliers."""
        n, penalty, least = self.count, self.penalty, z[-1]
        self.multipliers = [
            max(0.0, multiplier + penalty * (least - sign * area))
            for multiplier, sign, area in zip(self.multipliers, self.signs, self.areas(z))
        ]
        outside = [value for x, y in zip(z[:n], z[n : 2 * n]) for value in (-x, -y, x + y - 1.0)]
        self.walls = [max(0.0, multiplier + penalty * value) for multiplier, value in zip(self.walls, outside)]


def inside(x, y):
    """The point, moved into the triangle if rounding has put it outside."""
    x = min(max(x, 0.0), 1.0)
    return [x, max(0.0, min(y, math.nextafter(1.0 - x, 0.0)))]


def smallest(points):
    """The smallest triangle's part of the whole."""
    return min(
        abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) for (ax, ay), (bx, by), (cx, cy) in combinations(points, 3)
    )


def improve(points):
    """The points, moved to a local optimum."""
    n = len(points)
    start = [inside(x, y) if x + y <= 1.0 else inside(1.0 - x, 1.0 - y) for x, y in points]
    z = [x for x, _ in start] + [y for _, y in start] + [0.0]
    z[-1] = smallest(start)
    lagrangian = Points(n)
    for _ in range(ROUNDS):
        lagrangian.look_around(z)
        z = minimise(lagrangian.evaluate, z, ITERATIONS)
        lagrangian.learn(z)
        lagrangian.penalty = min(lagrangian.penalty * 3.0, 1000.0)
    return max(start, [inside(x, y) for x, y in zip(z[:n], z[n : 2 * n])], key=smallest)


def elsewhere(points, stream):
    """The points, one or two of which are put anywhere."""
    moved = set(stream.sample(range(len(points)), stream.choice((1, 1, 2))))
    return [[stream.random(), stream.random()] if at in moved else point for at, point in enumerate(points)]


def search(points):
    """The best optimum found near the points."""
    stream = random.Random(repr(points))
    best = improve(points)
    for _ in range(TRIALS):
        best = max(best, improve(elsewhere(best, stream)), key=smallest)
    return best


def main():
    with open("genome.json", encoding="utf-8") as file:
        points = search(json.load(file))
    with open("points.json", "w", encoding="utf-8") as file:
        json.dump({"points": points}, file)
    with open("genome.json", "w", encoding="utf-8") as file:
        json.dump(points, file)
    print(f"smallest triangle {smallest(points):.12f}")


if __name__ == "__main__":
    main()
