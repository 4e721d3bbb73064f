"""Scores curve.json on hidden points. Runs in a sandbox of its own, started in this folder.

What the agent wrote is data here: it is read as plain JSON, checked value by value, and never imported or executed.
"""

import csv
import json
import math

from researchgym_grading import invalid, main


def read_coefficients(most):
    """The submitted coefficients. Whatever is wrong with them is told to the agent by `invalid`."""
    try:
        with open("/submission/curve.json", encoding="utf-8") as file:
            curve = json.load(file)
    except (OSError, ValueError, RecursionError):
        invalid("curve.json is not a file of JSON")
    coefficients = curve.get("coefficients") if isinstance(curve, dict) else None
    if not isinstance(coefficients, list) or not 1 <= len(coefficients) <= most:
        invalid(f"curve.json has no list `coefficients` with 1 to {most} numbers")
    for value in coefficients:
        # Python reads NaN and Infinity as JSON numbers, and a boolean is an integer to it.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e9:
            invalid("each coefficient must be a number between -1e9 and 1e9")
    return [float(value) for value in coefficients]


def value_at(coefficients, x):
    return math.fsum(coefficient * x**power for power, coefficient in enumerate(coefficients))


def grade(start):
    coefficients = read_coefficients(start.parameters["largest_degree"] + 1)
    # `validate` asks for the validation split, everything that counts for the test split.
    with open(f"{start.split}.csv", newline="") as file:
        points = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    squares = [(value_at(coefficients, x) - y) ** 2 for x, y in points]
    return {"error": math.sqrt(math.fsum(squares) / len(squares))}


main(grade)
