"""The column player of battle-of-sexes: the rules of `starter/target.py`, with a random stream that it is given."""

from __future__ import annotations

import random


def column_strategy(history: list[tuple[int, int]], stream: random.Random) -> int:
    """Starts with 1; from then on copies the row player's very first move with probability 0.8."""
    if not history:
        return 1
    first_row_move = history[0][0]
    return first_row_move if stream.random() < 0.8 else 1 - first_row_move
