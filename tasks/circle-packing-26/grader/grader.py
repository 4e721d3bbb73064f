"""Grades a packing of circles into the unit square: nothing may overlap at all, decided with whole numbers."""

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 65536


def check(circles):
    """Refuses circles that leave the square or overlap, however little."""
    flat, power = objects.whole_numbers([value for circle in circles for value in circle])
    one = 1 << power
    exact = [flat[index : index + 3] for index in range(0, len(flat), 3)]
    for index, (x, y, radius) in enumerate(exact):
        if radius < 0:
            grading.invalid(f"circle {index} has a radius below zero")
        if not (radius <= x <= one - radius and radius <= y <= one - radius):
            grading.invalid(f"circle {index} leaves the unit square")
        for other, (other_x, other_y, other_radius) in enumerate(exact[:index]):
            if (x - other_x) ** 2 + (y - other_y) ** 2 < (radius + other_radius) ** 2:
                grading.invalid(f"circles {other} and {index} overlap")
    return sum(radius for _, _, radius in exact) / one


def grade(start):
    packing = objects.read("packing.json", MAX_BYTES)
    if type(packing) is not dict or set(packing) != {"circles"}:
        grading.invalid('packing.json must be {"circles": [[x, y, radius], ...]}')
    circles = objects.rows(packing["circles"], "circles", start.parameters["circles"], 3)
    return {"sum_of_radii": check(circles)}


if __name__ == "__main__":
    grading.main(grade)
