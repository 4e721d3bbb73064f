"""Second autocorrelation inequality: takes the heights in genome.json to a local optimum.

    python3 solve.py

Writes function.json, and the improved heights back to genome.json. The largest value of f * f is smoothed, by less and less.
Heights are squares of what is moved, so that none falls below 0. Which optimum is found depends on the heights alone; from
those that genome.json begins with it is a mediocre one.
"""

import json
import math
from operator import mul

from descent import minimise

SHARPNESS = (10.0, 30.0, 100.0, 300.0, 1000.0)  # of the smoothed maximum
ITERATIONS = 60  # for each


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


def ratio(heights):
    """The square of the L2 norm of f * f over the product of its L1 and its largest value."""
    values = convolution(heights, heights)
    squares = 2.0 * sum(map(mul, values, values)) + sum(map(mul, values, values[1:]))
    return squares / (3.0 * sum(values) * max(values))


def smoothed(sharpness):
    """A function to minus the logarithm of the smoothed ratio and its gradient, by the roots of the heights."""

    def evaluate(roots):
        heights = [root * root for root in roots]
        values = convolution(heights, heights)
        most, total = max(values), sum(values)
        squares = 2.0 * sum(map(mul, values, values)) + sum(map(mul, values, values[1:]))
        weights = [math.exp(sharpness * (value / most - 1.0)) for value in values]
        mass = sum(weights)
        peak = sum(map(mul, weights, values)) / mass
        # The smoothed maximum is most * (1 + log(mass / count) / sharpness); its slope is taken by its weights.
        highest = most * (1.0 + math.log(mass / len(values)) / sharpness)
        slack = highest / most - peak / most
        slope = []
        padded = [0.0] + values + [0.0]
        for index, (weight, value) in enumerate(zip(weights, values), start=1):
            of_peak = (weight / mass + (slack if value == most else 0.0)) / highest
            slope.append(of_peak + 1.0 / total - (4.0 * value + padded[index - 1] + padded[index + 1]) / squares)
        gradient = [4.0 * root * g for root, g in zip(roots, correlation(slope, heights))]
        return math.log(highest * total / squares), gradient

    return evaluate


def improve(heights):
    """The heights, moved to a local optimum, with a largest height of 1."""
    best = heights
    roots = [math.sqrt(max(value, 1e-6)) for value in heights]
    for sharpness in SHARPNESS:
        roots = minimise(smoothed(sharpness), roots, ITERATIONS, longest=0.2)
        best = max(best, [root * root for root in roots], key=ratio)
    largest = max(best)
    return [value / largest for value in best]


def main():
    with open("genome.json", encoding="utf-8") as file:
        heights = improve(json.load(file))
    with open("function.json", "w", encoding="utf-8") as file:
        json.dump({"heights": heights}, file)
    with open("genome.json", "w", encoding="utf-8") as file:
        json.dump(heights, file)
    print(f"ratio {ratio(heights):.9f}")


if __name__ == "__main__":
    main()
