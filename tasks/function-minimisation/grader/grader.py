"""Grades points that are meant to be the minimum of a function: the values are computed here, from the points."""

import math

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 65536
BOUND = 5.0
# The global minimum on the square, to the last digit of a double.
OPTIMUM = (-1.7040828402758335, 0.6775078125907541)


def value(x, y):
    """The function."""
    return math.sin(x) * math.cos(y) + math.sin(x * y) + (x * x + y * y) / 20.0


def points(found, trials):
    """The points of the trials that returned one."""
    chosen = []
    for index, point in enumerate(objects.items(found, "points", trials, trials)):
        if point is None:
            continue
        x, y = objects.numbers(point, f"points[{index}]", 2, 2)
        if not (abs(x) <= BOUND and abs(y) <= BOUND):
            grading.invalid(f"points[{index}] is outside of [-5, 5] x [-5, 5]")
        chosen.append((x, y))
    if not chosen:
        grading.invalid("no trial returned a point")
    return chosen


def weight(distance):
    """What the score is multiplied by, from the mean distance to the minimum."""
    return 1.5 if distance < 0.5 else 1.2 if distance < 1.5 else 1.0 if distance < 3.0 else 0.7


def grade(start):
    trials = start.parameters["trials"]
    answer = objects.read("points.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"points"}:
        grading.invalid('points.json must be {"points": [[x, y], ...]}')
    found = points(answer["points"], trials)
    values = [value(x, y) for x, y in found]
    mean_value = math.fsum(values) / len(values)
    mean_distance = math.fsum(math.dist(point, OPTIMUM) for point in found) / len(found)
    score = 0.5 / (1.0 + abs(mean_value - value(*OPTIMUM))) + 0.3 / (1.0 + mean_distance) + 0.2 * len(found) / trials
    return {"score": score * weight(mean_distance), "best_value": min(values)}


if __name__ == "__main__":
    grading.main(grade)
