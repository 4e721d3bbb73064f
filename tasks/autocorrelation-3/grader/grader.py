"""Grades a step function for the third autocorrelation inequality, exactly, from its heights alone."""

from fractions import Fraction

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 1 << 20


def bounds(heights):
    """The largest |f * f| and the largest f * f over the square of the integral of f, as fractions.

    f has equal steps on [-1/4, 1/4], so f * f is linear between whole multiples of a step's width, where its values are
    the convolution of the heights.
    """
    whole, _ = objects.whole_numbers(heights)
    total = sum(whole)
    if not total:
        grading.invalid("the integral is 0")
    values = objects.convolution(whole, whole)
    unit = Fraction(2 * len(whole), total * total)
    return max(map(abs, values)) * unit, max(values) * unit


def grade(start):
    answer = objects.read("function.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"heights"}:
        grading.invalid('function.json must be {"heights": [number, ...]}')
    heights = objects.numbers(answer["heights"], "heights", 1, start.parameters["most_steps"])
    both, one_side = (float(min(value, 10**12)) for value in bounds(heights))
    return {"bound": both, "one_sided": one_side}


if __name__ == "__main__":
    grading.main(grade)
