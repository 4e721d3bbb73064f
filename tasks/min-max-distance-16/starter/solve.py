"""Points of the plane: takes those in genome.json to a local optimum of the largest over the smallest distance.

    python3 solve.py

Writes points.json, and the improved points back to genome.json. All distances are kept above 1 while the largest, a
variable of its own, falls: an augmented Lagrangian, whose constraints are the pairs. From the points that genome.json
begins with it reaches a mediocre optimum; which optimum is found depends on the points alone.
"""

import json
from itertools import combinations

from descent import minimise

ROUNDS = 12  # of the augmented Lagrangian
ITERATIONS = 40  # of the quasi-Newton method in each round
SPREAD = 3.5  # side of the square in which the unit square of the genome becomes, in smallest distances
WEIGHT = 10.0  # of a distance that is too small, against one that is too large


class Points:
    """The augmented Lagrangian. A point `z` is all x, then all y, then the largest squared distance."""

    def __init__(self, count):
        self.count = count
        self.penalty = 0.05
        self.pairs = list(combinations(range(count), 2))
        self.below = [0.0] * len(self.pairs)  # multipliers of the pairs that would be too close
        self.above = [0.0] * len(self.pairs)  # and of those that would be too far from each other

    def squares(self, z):
        """The squared distance of each pair."""
        n = self.count
        return [(z[i] - z[j]) ** 2 + (z[n + i] - z[n + j]) ** 2 for i, j in self.pairs]

    def evaluate(self, z):
        """Value and gradient."""
        n, penalty, most = self.count, self.penalty, z[-1]
        x, y = z[:n], z[n : 2 * n]
        gx, gy, g = [0.0] * n, [0.0] * n, 1.0
        total = 0.0
        for (i, j), below, above in zip(self.pairs, self.below, self.above):
            dx, dy = x[i] - x[j], y[i] - y[j]
            square = dx * dx + dy * dy
            push = below + penalty * WEIGHT * (1.0 - square)
            pull = above + penalty * (square - most)
            force = 0.0
            if push > 0.0:
                total += push * push / WEIGHT
                force -= push
            if pull > 0.0:
                total += pull * pull
                force += pull
                g -= pull
            if force:
                force *= 2.0
                gx[i] += force * dx
                gx[j] -= force * dx
                gy[i] += force * dy
                gy[j] -= force * dy
        return total / (2.0 * penalty) + most, gx + gy + [g]

    def learn(self, z):
        """Moves the multipliers."""
        squares = self.squares(z)
        self.below = [max(0.0, m + self.penalty * WEIGHT * (1.0 - square)) for m, square in zip(self.below, squares)]
        self.above = [max(0.0, m + self.penalty * (square - z[-1])) for m, square in zip(self.above, squares)]


def ratio(points):
    """The squared ratio of the largest to the smallest distance."""
    squares = [(ax - bx) ** 2 + (ay - by) ** 2 for (ax, ay), (bx, by) in combinations(points, 2)]
    return max(squares) / max(min(squares), 1e-12)


def improve(points):
    """The points, moved to a local optimum, within the unit square."""
    n = len(points)
    z = [SPREAD * x for x, _ in points] + [SPREAD * y for _, y in points] + [SPREAD**2]
    lagrangian = Points(n)
    for _ in range(ROUNDS):
        z = minimise(lagrangian.evaluate, z, ITERATIONS, longest=0.5)
        lagrangian.learn(z)
        lagrangian.penalty = min(lagrangian.penalty * 2.0, 100.0)
    x, y = z[:n], z[n : 2 * n]
    low_x, low_y, size = min(x), min(y), max(max(x) - min(x), max(y) - min(y))
    return min(points, [[(a - low_x) / size, (b - low_y) / size] for a, b in zip(x, y)], key=ratio)


def main():
    with open("genome.json", encoding="utf-8") as file:
        points = improve(json.load(file))
    with open("points.json", "w", encoding="utf-8") as file:
        json.dump({"points": points}, file)
    with open("genome.json", "w", encoding="utf-8") as file:
        json.dump(points, file)
    print(f"squared ratio {ratio(points):.12f}")


if __name__ == "__main__":
    main()
