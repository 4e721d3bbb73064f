"""Packs circles into the unit square: takes the centres in genome.json to a local optimum of the sum of radii.

    python3 solve.py

Writes packing.json, and the improved centres back to genome.json. Centres and radii move together: an augmented
Lagrangian. At the end all radii shrink by the largest overlap that is left, so that nothing overlaps at all. Which
optimum is found depends on the centres alone; from those that genome.json begins with it is a mediocre one.
"""

import json
import math

from descent import minimise

ROUNDS = 12  # of the augmented Lagrangian
ITERATIONS = 60  # of the quasi-Newton method in each round
REACH = 0.12  # pairs of circles with a wider gap are not looked at until the next round
MARGIN = 2e-15  # more than what rounding adds to an overlap


class Packing:
    """The augmented Lagrangian of a packing: minus the sum of radii, and what overlaps cost.

    A point `z` is all x, then all y, then all radii.
    """

    def __init__(self, count):
        self.count = count
        self.penalty = 5.0
        self.pair_multipliers = {}
        self.wall_multipliers = [0.0] * (4 * count)
        self.pairs, self.multipliers = [], []

    def look_around(self, z):
        """Notes the pairs that may come to touch."""
        n = self.count
        self.pairs = [
            (i, j)
            for i in range(n)
            for j in range(i)
            if math.hypot(z[i] - z[j], z[n + i] - z[n + j]) < z[2 * n + i] + z[2 * n + j] + REACH
        ]
        self.multipliers = [self.pair_multipliers.get(pair, 0.0) for pair in self.pairs]

    def evaluate(self, z):
        """Value and gradient."""
        n, penalty = self.count, self.penalty
        x, y, r = z[:n], z[n : 2 * n], z[2 * n :]
        gx, gy, gr = [0.0] * n, [0.0] * n, [-1.0] * n
        total = 0.0
        sqrt = math.sqrt
        for (i, j), multiplier in zip(self.pairs, self.multipliers):
            dx = x[i] - x[j]
            dy = y[i] - y[j]
            distance = sqrt(dx * dx + dy * dy) + 1e-12
            force = multiplier + penalty * (r[i] + r[j] - distance)
            if force > 0.0:
                total += force * force
                gr[i] += force
                gr[j] += force
                force /= distance
                gx[i] -= force * dx
                gx[j] += force * dx
                gy[i] -= force * dy
                gy[j] += force * dy
        walls = self.wall_multipliers
        for i in range(n):
            k, radius = 4 * i, r[i]
            force = walls[k] + penalty * (radius - x[i])
            if force > 0.0:
                total += force * force
                gr[i] += force
                gx[i] -= force
            force = walls[k + 1] + penalty * (radius + x[i] - 1.0)
            if force > 0.0:
                total += force * force
                gr[i] += force
                gx[i] += force
            force = walls[k + 2] + penalty * (radius - y[i])
            if force > 0.0:
                total += force * force
                gr[i] += force
                gy[i] -= force
            force = walls[k + 3] + penalty * (radius + y[i] - 1.0)
            if force > 0.0:
                total += force * force
                gr[i] += force
                gy[i] += force
        return total / (2.0 * penalty) - sum(r), gx + gy + gr

    def learn(self, z):
        """Moves the multipliers and returns the largest overlap."""
        n = self.count
        worst = 0.0
        self.pair_multipliers = {}
        for (i, j), multiplier in zip(self.pairs, self.multipliers):
            overlap = z[2 * n + i] + z[2 * n + j] - math.hypot(z[i] - z[j], z[n + i] - z[n + j])
            worst = max(worst, overlap)
            self.pair_multipliers[i, j] = max(0.0, multiplier + self.penalty * overlap)
        for i in range(n):
            x, y, r = z[i], z[n + i], z[2 * n + i]
            for k, overlap in enumerate((r - x, r + x - 1.0, r - y, r + y - 1.0)):
                worst = max(worst, overlap)
                self.wall_multipliers[4 * i + k] = max(0.0, self.wall_multipliers[4 * i + k] + self.penalty * overlap)
        return worst


def without_overlap(circles):
    """The same circles, all smaller by the largest overlap."""
    worst = 0.0
    for i, (x, y, r) in enumerate(circles):
        worst = max(worst, r - x, r + x - 1.0, r - y, r + y - 1.0)
        for other_x, other_y, other_r in circles[:i]:
            worst = max(worst, r + other_r - math.hypot(x - other_x, y - other_y))
    return [[x, y, max(0.0, r - worst - MARGIN)] for x, y, r in circles]


def first_guess(centres):
    """All x, all y, all radii: as large as the nearest wall and half of the nearest distance allow."""
    inside = [[min(max(value, 0.01), 0.99) for value in centre] for centre in centres]
    radii = [
        min([x, 1.0 - x, y, 1.0 - y] + [math.dist((x, y), other) / 2 for other in inside[:i] + inside[i + 1 :]])
        for i, (x, y) in enumerate(inside)
    ]
    return [x for x, _ in inside] + [y for _, y in inside] + radii


def improve(centres):
    """A packing whose sum of radii is a local optimum, as `[x, y, radius]` each."""
    n = len(centres)
    z = first_guess(centres)
    packing = Packing(n)
    for _ in range(ROUNDS):
        packing.look_around(z)
        z = minimise(packing.evaluate, z, ITERATIONS)
        worst = packing.learn(z)
        packing.penalty = min(packing.penalty * 3.0, 300.0)
        if worst < 1e-12:
            break
    return without_overlap(list(zip(z[:n], z[n : 2 * n], z[2 * n :])))


def main():
    with open("genome.json", encoding="utf-8") as file:
        centres = json.load(file)
    circles = improve(centres)
    with open("packing.json", "w", encoding="utf-8") as file:
        json.dump({"circles": circles}, file)
    with open("genome.json", "w", encoding="utf-8") as file:
        json.dump([circle[:2] for circle in circles], file)
    print(f"sum of radii {sum(circle[2] for circle in circles):.12f}")


if __name__ == "__main__":
    main()
