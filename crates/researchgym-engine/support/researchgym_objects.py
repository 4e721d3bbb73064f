"""Objects that a submission states in a JSON file, and exact arithmetic on them, for graders that trust no reported number.

    import researchgym_objects as objects

    circles = objects.read("packing.json", 65536)
    rows = objects.rows(circles, "circles", count=26, width=3)   # floats, all finite
    whole, power = objects.whole_numbers(heights)                # heights[i] == whole[i] / 2**power, exactly

Whatever is wrong with the file is told to the agent by `researchgym_grading.invalid`. A number in a file is the double
that Python reads from it; a double is a fraction with a power of two below, so that comparisons can be exact.
"""

from __future__ import annotations

import json
import math
import os
import stat
from typing import Any, NoReturn, Sequence

from researchgym_grading import describe, invalid

__all__ = ["convolution", "integer", "items", "number", "numbers", "read", "rows", "whole_numbers"]

SUBMISSION = "/submission"
LONGEST_NUMBER = 40
LARGEST = float(1 << 53)


def read(name: str, max_bytes: int, folder: str = SUBMISSION) -> Any:
    """The value in a submitted JSON file: a regular file of at most `max_bytes`, UTF-8, no key twice, no NaN, no infinity."""
    try:
        descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        invalid(f"{name} cannot be read as a regular file: {error.strerror}")
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            invalid(f"{name} is not a regular file")
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        invalid(f"{name} is larger than {max_bytes} bytes")
    try:
        return json.loads(
            content.decode("utf-8"),
            parse_float=_float,
            parse_int=_int,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        invalid(f"{name} is not plain JSON: {str(error)[:100]}")


def items(value: Any, what: str, least: int, most: int) -> list[Any]:
    """The value, if it is a list of so many items."""
    if type(value) is not list:
        invalid(f"{what} must be a list, not {describe(value)}")
    if not least <= len(value) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        invalid(f"{what} must have {wanted} items, not {len(value)}")
    return value


def number(value: Any, what: str) -> float:
    """The value as a double: a finite number, not a boolean and no text, whole numbers up to 2^53."""
    if type(value) is int and abs(value) <= LARGEST:
        return float(value)
    if type(value) is float and math.isfinite(value):
        return value
    invalid(f"{what} must be a finite number, not {describe(value)}")


def integer(value: Any, what: str, low: int, high: int) -> int:
    """The value, if it is written as a whole number in this range."""
    if type(value) is int and low <= value <= high:
        return value
    invalid(f"{what} must be a whole number from {low} to {high}, not {describe(value)}")


def numbers(value: Any, what: str, least: int, most: int) -> list[float]:
    """The value as doubles, if it is a list of so many finite numbers."""
    return [number(item, f"{what}[{index}]") for index, item in enumerate(items(value, what, least, most))]


def rows(value: Any, what: str, count: int, width: int) -> list[list[float]]:
    """The value as lists of doubles, if it is `count` lists of `width` finite numbers each."""
    return [numbers(row, f"{what}[{index}]", width, width) for index, row in enumerate(items(value, what, count, count))]


def whole_numbers(values: Sequence[float]) -> tuple[list[int], int]:
    """Whole numbers and a power with `values[i] == whole[i] / 2**power`, exactly."""
    ratios = [value.as_integer_ratio() for value in values]
    power = max((below.bit_length() - 1 for _, below in ratios), default=0)
    return [above << (power - below.bit_length() + 1) for above, below in ratios], power


def convolution(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """The whole numbers `sum(first[i] * second[k - i])` for each k, from one product of two very long numbers."""
    if not first or not second:
        return []
    largest = max(map(abs, first)) * max(map(abs, second)) * min(len(first), len(second))
    width = largest.bit_length() // 8 + 2
    count = len(first) + len(second) - 1
    # Half of a digit's range is added to each digit, so that no digit is below zero and none borrows from the next.
    half = 1 << (8 * width - 1)
    product = _packed(first, width) * _packed(second, width) + _packed([half] * count, width)
    digits = product.to_bytes(width * count + 1, "little")
    return [int.from_bytes(digits[width * k : width * (k + 1)], "little") - half for k in range(count)]


def _packed(values: Sequence[int], width: int) -> int:
    def unsigned(part: list[int]) -> int:
        return int.from_bytes(b"".join(value.to_bytes(width, "little") for value in part), "little")

    return unsigned([max(value, 0) for value in values]) - unsigned([max(-value, 0) for value in values])


def _float(text: str) -> float:
    value = float(text) if len(text) <= LONGEST_NUMBER else math.inf
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too long or too large")
    return value


def _int(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"the number {text[:20]} is too long")
    return int(text)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found
