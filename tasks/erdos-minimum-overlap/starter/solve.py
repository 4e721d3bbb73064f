"""Erdős's minimum overlap problem: takes the heights in genome.json to a local optimum.

    python3 solve.py

The genome has the first half of the heights and the one in the middle; the second half mirrors the first. Writes
function.json, and the improved heights back to genome.json. The largest overlap is smoothed, by less and less, and heights
are sines, so that all stay within 0 and 1; a penalty holds the integral, and `fit` mends what it leaves. Which optimum is found
depends on the heights alone; from those that genome.json begins with it is a mediocre one.
"""

import json
import math
from operator import mul

from descent import minimise

SHARPNESS = (50.0, 200.0, 800.0, 3000.0, 10000.0)  # of the smoothed maximum
ITERATIONS = 50  # for each
PENALTY = 20.0  # of the square of what the integral is wrong by


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


def fit(heights):
    """The heights with integral 1: scaled down, or what they lack to 1 scaled down."""
    count, total = len(heights), sum(heights)
    if 2.0 * total >= count:
        return [value * count / (2.0 * total) for value in heights]
    return [1.0 - (1.0 - value) * count / (2.0 * (count - total)) for value in heights]


def overlap(heights):
    """The largest overlap."""
    fitted = fit(heights)
    return 2.0 / len(fitted) * max(convolution(fitted, [1.0 - value for value in reversed(fitted)]))


def mirrored(half):
    """All heights."""
    return half + half[-2::-1]


def smoothed(sharpness):
    """A function to the smoothed overlap and its gradient, by the angles whose sines the heights are."""

    def evaluate(angles):
        heights = mirrored([0.5 + 0.5 * math.sin(angle) for angle in angles])
        count = len(heights)
        rest = [1.0 - value for value in reversed(heights)]
        values = [2.0 / count * value for value in convolution(heights, rest)]
        most = max(values)
        weights = [math.exp(sharpness * (value - most)) for value in values]
        mass = sum(weights)
        wrong = 2.0 * sum(heights) / count - 1.0
        of_heights = correlation(weights, rest)
        of_rest = correlation(weights, heights)
        slope = [
            2.0 / count * ((left - right) / mass + 2.0 * PENALTY * wrong)
            for left, right in zip(of_heights, reversed(of_rest))
        ]
        half = [left + right for left, right in zip(slope[: len(angles) - 1], reversed(slope))] + [slope[len(angles) - 1]]
        gradient = [0.5 * math.cos(angle) * value for angle, value in zip(angles, half)]
        return most + math.log(mass) / sharpness + PENALTY * wrong * wrong, gradient

    return evaluate


def improve(half):
    """The first half of the heights, moved to a local optimum."""
    best = half
    angles = [math.asin(min(max(2.0 * value - 1.0, -0.98), 0.98)) for value in half]
    for sharpness in SHARPNESS:
        angles = minimise(smoothed(sharpness), angles, ITERATIONS, longest=0.3)
        found = [0.5 + 0.5 * math.sin(angle) for angle in angles]
        best = min(best, found, key=lambda heights: overlap(mirrored(heights)))
    return best


def main():
    with open("genome.json", encoding="utf-8") as file:
        half = improve(json.load(file))
    heights = [min(max(value, 0.0), 1.0) for value in fit(mirrored(half))]
    with open("function.json", "w", encoding="utf-8") as file:
        json.dump({"heights": heights}, file)
    with open("genome.json", "w", encoding="utf-8") as file:
        json.dump(half, file)
    print(f"largest overlap {overlap(heights):.9f}")


if __name__ == "__main__":
    main()
