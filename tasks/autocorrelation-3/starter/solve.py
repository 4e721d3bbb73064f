"""Third autocorrelation inequality: takes the heights in genome.json to a local optimum.

    python3 solve.py

Writes function.json, and the improved heights back to genome.json. The largest |f * f| is smoothed, by less and less, and
minimised. Which optimum is found depends on the heights alone; from those that genome.json begins with it is a mediocre
one.
"""

import json
import math
from operator import mul

from descent import minimise

SHARPNESS = (20.0, 60.0, 200.0, 600.0, 2000.0)  # of the smoothed maximum
ITERATIONS = 40  # for each


def convolution(first, second):
    """The sums of `first[i] * second[k - i]`."""
    n = len(first)
    turned = second[::-1]
    return [
        sum(map(mul, first[max(0, k - n + 1) : k + 1], turned[max(0, n - 1 - k) :])) for k in range(2 * n - 1)
    ]


def correlation(weights, heights):
    """The sums of `weights[i + j] * heights[j]` for each i."""
    n = len(heights)
    return [sum(map(mul, weights[i : i + n], heights)) for i in range(n)]


def bound(heights):
    """The largest |f * f| over the square of the integral."""
    return 2 * len(heights) * max(map(abs, convolution(heights, heights))) / sum(heights) ** 2


def smoothed(sharpness):
    """A function to the smoothed bound and its gradient."""

    def evaluate(heights):
        total = sum(heights)
        unit = 2 * len(heights) / (total * total)
        values = [unit * value for value in convolution(heights, heights)]
        most = max(map(abs, values))
        weights = [
            math.exp(sharpness * (value - most)) - math.exp(sharpness * (-value - most)) for value in values
        ]
        mass = sum(math.exp(sharpness * (abs(value) - most)) + math.exp(sharpness * (-abs(value) - most)) for value in values)
        inner = 2.0 * sum(map(mul, weights, values)) / (mass * total)
        factor = 2.0 * unit / mass
        return most + math.log(mass) / sharpness, [factor * g - inner for g in correlation(weights, heights)]

    return evaluate


def improve(heights):
    """The heights, moved to a local optimum, with a largest height of 1."""
    best = found = heights
    for sharpness in SHARPNESS:
        found = minimise(smoothed(sharpness), found, ITERATIONS, longest=0.2)
        if sum(found) > 0.0:
            best = min(best, found, key=bound)
    largest = max(map(abs, best))
    return [value / largest for value in best]


def main():
    with open("genome.json", encoding="utf-8") as file:
        heights = improve(json.load(file))
    with open("function.json", "w", encoding="utf-8") as file:
        json.dump({"heights": heights}, file)
    with open("genome.json", "w", encoding="utf-8") as file:
        json.dump(heights, file)
    print(f"bound {bound(heights):.9f}")


if __name__ == "__main__":
    main()
