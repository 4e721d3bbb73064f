"""Grades predicted digits: the first half of the hidden labels validates, the second half is the test."""

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 65536


def grade(start):
    with open("labels.csv", encoding="ascii") as file:
        labels = [int(line) for line in file]
    answer = objects.read("predictions.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"labels"}:
        grading.invalid('predictions.json must be {"labels": [digit, ...]}')
    found = objects.items(answer["labels"], "labels", len(labels), len(labels))
    digits = [objects.integer(digit, f"labels[{index}]", 0, 9) for index, digit in enumerate(found)]
    half = len(labels) // 2
    part = slice(0, half) if start.split == "validation" else slice(half, None)
    right = sum(digit == label for digit, label in zip(digits[part], labels[part]))
    return {"accuracy": right / half}


if __name__ == "__main__":
    grading.main(grade)
