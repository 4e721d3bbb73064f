"""Grades points of the plane by the ratio of their largest to their smallest distance, from exact squares."""

from itertools import combinations

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 65536


def squares(points):
    """The smallest and the largest squared distance, as whole numbers of the same unit."""
    flat, _ = objects.whole_numbers([value for point in points for value in point])
    exact = list(zip(flat[::2], flat[1::2]))
    found = [(ax - bx) ** 2 + (ay - by) ** 2 for (ax, ay), (bx, by) in combinations(exact, 2)]
    return min(found), max(found)


def grade(start):
    answer = objects.read("points.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"points"}:
        grading.invalid('points.json must be {"points": [[x, y], ...]}')
    points = objects.rows(answer["points"], "points", start.parameters["points"], 2)
    if any(abs(value) > start.parameters["largest"] for point in points for value in point):
        grading.invalid(f"a coordinate is beyond {start.parameters['largest']}")
    least, most = squares(points)
    if most > least * start.parameters["worst"]:
        grading.invalid("two points are the same or almost the same")
    return {"squared_ratio": most / least}


if __name__ == "__main__":
    grading.main(grade)
