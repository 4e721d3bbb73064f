"""The column player of blotto: the rules of `starter/target.py`, with a random stream that it is given.

The six uniform numbers are drawn from bytes by rejection, which has exactly the distribution of six calls of
`randint(0, 120)` in a fraction of the time.
"""

from __future__ import annotations

import random
from typing import Any

FIELDS = 6
SOLDIERS = 120

# Of the 256 values of a byte the first 2 * 121 stand twice for each of 0..120; the others are drawn again.
_NUMBER_OF_BYTE = bytes(min(byte // 2, SOLDIERS) for byte in range(256))
_REJECTED = bytes(range(2 * (SOLDIERS + 1), 256))


def column_strategy(history: Any, stream: random.Random) -> list[int]:
    """A random allocation, whatever happened before."""
    return normalised(six_numbers(stream), stream.randrange(FIELDS))


def six_numbers(stream: random.Random) -> bytes:
    """Six independent uniform numbers 0..120."""
    numbers = b""
    while len(numbers) < FIELDS:
        numbers += stream.randbytes(2 * FIELDS).translate(_NUMBER_OF_BYTE, _REJECTED)
    return numbers[:FIELDS]


def normalised(numbers: bytes, remainder_field: int) -> list[int]:
    """The numbers scaled to 120 soldiers, rounded down, with what is left over on one field."""
    scale = SOLDIERS / (sum(numbers) or 1)
    allocation = [int(number * scale) for number in numbers]
    allocation[remainder_field] += SOLDIERS - sum(allocation)
    return allocation
