"""Grades a set of whole numbers by how many more differences than sums it has. Both are counted exactly."""

import math
from bisect import bisect_left

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 1 << 20
PIECES = 16


def distinct(left, right, low, high):
    """How many different numbers `a + b` there are, for the sorted lists, within low and high; piece by piece, for memory."""
    count, width = 0, (high - low) // PIECES + 1
    for begin in range(low, high + 1, width):
        found = set()
        for value in left:
            piece = right[bisect_left(right, begin - value) : bisect_left(right, begin + width - value)]
            found.update(map(value.__add__, piece))
        count += len(found)
    return count


def score(members):
    """1 + log(|U - U| / |U + U|) / log(2 max U + 1)."""
    ordered = sorted(members)
    largest = ordered[-1]
    sums = distinct(ordered, ordered, 0, 2 * largest)
    differences = distinct(ordered, [-value for value in reversed(ordered)], -largest, largest)
    print(f"{len(ordered)} members up to {largest}, {sums} sums, {differences} differences")
    return 1.0 + math.log(differences / sums) / math.log(2 * largest + 1)


def grade(start):
    answer = objects.read("set.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"members"}:
        grading.invalid('set.json must be {"members": [0, ...]}')
    rows = objects.items(answer["members"], "members", 2, start.parameters["most_members"])
    members = {objects.integer(value, f"members[{index}]", 0, 1 << 53) for index, value in enumerate(rows)}
    if len(members) != len(rows):
        grading.invalid("a member was given twice")
    if 0 not in members:
        grading.invalid("0 is no member")
    return {"exponent": score(members)}


if __name__ == "__main__":
    grading.main(grade)
