"""Grades a cap set: vectors over the integers modulo 3 of which no three different ones lie on a line. Exact."""

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 1 << 20


def cap(rows, dimension):
    """The vectors as a set of tuples, if they are different and no three lie on a line."""
    found = set()
    for index, row in enumerate(rows):
        items = objects.items(row, f"vectors[{index}]", dimension, dimension)
        vector = tuple(objects.integer(value, f"vectors[{index}]", 0, 2) for value in items)
        if vector in found:
            grading.invalid(f"vectors[{index}] was given before")
        found.add(vector)
    ordered = sorted(found)
    for index, first in enumerate(ordered):
        for second in ordered[:index]:
            # Three different vectors lie on a line exactly if they add up to zero in each place.
            third = tuple((-a - b) % 3 for a, b in zip(first, second))
            if third in found:
                grading.invalid(f"{list(second)}, {list(first)} and {list(third)} lie on a line")
    return found


def grade(start):
    dimension = start.parameters["dimension"]
    answer = objects.read("cap.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"vectors"}:
        grading.invalid('cap.json must be {"vectors": [[0, 1, 2, ...], ...]}')
    rows = objects.items(answer["vectors"], "vectors", 1, start.parameters["most"])
    return {"size": float(len(cap(rows, dimension)))}


if __name__ == "__main__":
    grading.main(grade)
