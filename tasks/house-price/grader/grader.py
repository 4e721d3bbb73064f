"""Grades predicted sale prices: joins them to the answers on Id and computes r2 and rmse."""

import csv
import math
import os
import re
import stat

import researchgym_grading as grading

SUBMISSION = "/submission/submission.csv"
ANSWER = "/data/answer.csv"
COLUMNS = ["Id", "SalePrice"]
MAX_BYTES = 1 << 20
MAX_FIELD = 100

# What `float` takes beyond this (nan, infinity, underscores, other alphabets' digits) is not a price.
ID = re.compile(r"[0-9]{1,9}", re.ASCII)
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)


def submitted_text(path):
    """The file's text, if it is a regular file of reasonable size."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        grading.invalid(f"submission.csv cannot be read as a regular file: {error.strerror}")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        grading.invalid("submission.csv is not a regular file")
    with open(descriptor, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        grading.invalid(f"submission.csv is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        grading.invalid("submission.csv is not UTF-8 text")


def predictions(text, ids):
    """Id -> predicted price, for exactly these ids."""
    found = {}
    try:
        rows = list(csv.reader(text.splitlines(), strict=True))
    except csv.Error as error:
        grading.invalid(f"submission.csv is not a CSV file: {grading.plain_text(str(error), 100)}")
    header = rows[0] if rows else []
    if header != COLUMNS:
        shown = grading.plain_text(",".join(header), MAX_FIELD)
        grading.invalid(f"the first line of submission.csv is \"{shown}\", not \"{','.join(COLUMNS)}\"")
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != 2:
            grading.invalid(f"submission.csv, line {line}: {len(row)} fields, not 2")
        identifier, price = (field.strip() for field in row)
        if not ID.fullmatch(identifier) or int(identifier) not in ids:
            grading.invalid(f"submission.csv, line {line}: {shown_field(identifier)} is not an Id of test.csv")
        if int(identifier) in found:
            grading.invalid(f"submission.csv, line {line}: Id {int(identifier)} was given before")
        if len(price) > MAX_FIELD or not NUMBER.fullmatch(price) or not math.isfinite(float(price)):
            grading.invalid(f"submission.csv, line {line}: {shown_field(price)} is not a finite number")
        found[int(identifier)] = float(price)
    missing = ids.keys() - found.keys()
    if missing:
        grading.invalid(f"submission.csv has no prediction for {len(missing)} Ids of test.csv, such as {min(missing)}")
    return found


def shown_field(text):
    return '"' + grading.plain_text(text, MAX_FIELD) + '"'


def scores(answers, found):
    """r2 and rmse over the answers' Ids."""
    mean = math.fsum(answers.values()) / len(answers)
    residual = math.fsum((found[identifier] - price) ** 2 for identifier, price in answers.items())
    total = math.fsum((price - mean) ** 2 for price in answers.values())
    return {"r2": 1 - residual / total, "rmse": math.sqrt(residual / len(answers))}


def grade(start, submission=SUBMISSION, answer=ANSWER):
    with open(answer, encoding="utf-8", newline="") as file:
        answers = {int(row["Id"]): float(row["SalePrice"]) for row in csv.DictReader(file)}
    found = predictions(submitted_text(submission), answers)
    try:
        return scores(answers, found)
    except OverflowError:
        grading.invalid("the predictions are too large for their squared errors to be computed")


if __name__ == "__main__":
    grading.main(grade)
