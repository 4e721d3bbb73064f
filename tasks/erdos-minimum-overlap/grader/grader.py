"""Grades a step function for Erdős's minimum overlap problem, exactly: it is made fit before it is measured.

The function h on [0, 2] has values within 0 and 1 and must have integral 1, which doubles rarely have to the last bit. So
h is scaled down if its integral is more, and 1 - h is scaled down if it is less: either keeps all values within 0 and 1.
"""

from fractions import Fraction

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 1 << 20


def largest_overlap(heights):
    """The largest integral of h(x) (1 - h(x + k)) over x, for the function made fit, as a fraction.

    Between whole multiples of a step's width the overlap is linear in k, so its maximum is at such a multiple.
    """
    whole, power = objects.whole_numbers(heights)
    one, count = 1 << power, len(whole)
    if 2 * sum(whole) >= count * one:
        above, scale = whole, Fraction(count * one, 2 * sum(whole))
    else:
        above, scale = [one - value for value in whole], Fraction(count * one, 2 * (count * one - sum(whole)))
    # The overlaps of h with 1 - h and of 1 - h with h are each other's mirror image, so `above` may be either.
    p, q = scale.numerator, scale.denominator
    scaled = [value * p for value in above]
    rest = [one * q - value for value in scaled]
    most = max(objects.convolution(scaled, rest[::-1]))
    return Fraction(2 * most, count * (one * q) ** 2)


def grade(start):
    answer = objects.read("function.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"heights"}:
        grading.invalid('function.json must be {"heights": [number, ...]}')
    heights = objects.numbers(answer["heights"], "heights", 2, start.parameters["most_steps"])
    for index, value in enumerate(heights):
        if not 0.0 <= value <= 1.0:
            grading.invalid(f"heights[{index}] is {value!r}, which is not within 0 and 1")
    return {"overlap": float(largest_overlap(heights))}


if __name__ == "__main__":
    grading.main(grade)
