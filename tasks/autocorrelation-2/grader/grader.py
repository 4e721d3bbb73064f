"""Grades a step function for the second autocorrelation inequality, exactly, from its heights alone."""

from fractions import Fraction

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 1 << 20


def ratio(heights):
    """The square of the L2 norm of f * f over the product of its L1 and its largest value, as a fraction.

    f * f is linear between whole multiples of a step's width, where its values are the convolution of the heights; so the
    integrals are sums. The ratio depends neither on the width nor on the unit of the heights.
    """
    whole, _ = objects.whole_numbers(heights)
    if not any(whole):
        grading.invalid("all heights are 0")
    values = objects.convolution(whole, whole)
    squares = sum(value * value for value in values) * 2
    products = sum(left * right for left, right in zip(values, values[1:]))
    return Fraction(squares + products, 3 * sum(values) * max(values))


def grade(start):
    answer = objects.read("function.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"heights"}:
        grading.invalid('function.json must be {"heights": [number, ...]}')
    heights = objects.numbers(answer["heights"], "heights", 1, start.parameters["most_steps"])
    for index, value in enumerate(heights):
        if value < 0.0:
            grading.invalid(f"heights[{index}] is {value!r}, which is below 0")
    return {"ratio": float(ratio(heights))}


if __name__ == "__main__":
    grading.main(grade)
