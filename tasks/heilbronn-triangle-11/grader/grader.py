"""Grades points in a triangle by the smallest triangle among three of them, decided with whole numbers."""

from itertools import combinations

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 65536


def smallest(points):
    """The smallest triangle's part of the area of the triangle (0, 0), (1, 0), (0, 1), as two whole numbers."""
    flat, power = objects.whole_numbers([value for point in points for value in point])
    one = 1 << power
    exact = list(zip(flat[::2], flat[1::2]))
    for index, (x, y) in enumerate(exact):
        if x < 0 or y < 0 or x + y > one:
            grading.invalid(f"point {index} is outside of the triangle")
    areas = (
        abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) for (ax, ay), (bx, by), (cx, cy) in combinations(exact, 3)
    )
    return min(areas), one * one


def grade(start):
    answer = objects.read("points.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"points"}:
        grading.invalid('points.json must be {"points": [[x, y], ...]}')
    points = objects.rows(answer["points"], "points", start.parameters["points"], 2)
    area, whole = smallest(points)
    return {"smallest_area": area / whole}


if __name__ == "__main__":
    grading.main(grade)
