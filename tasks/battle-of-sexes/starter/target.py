"""The opponent, to read and to practise against. The grader plays a copy of its own with its own randomness."""

import random


def target_column_strategy(history):
    """The column player's next move (0 or 1) after `history`, a list of (row's move, column's move)."""
    if not history:
        return 1
    # Only the first round matters: whatever the row player did there is expected of it for ever.
    first_row_move = history[0][0]
    return first_row_move if random.random() < 0.8 else 1 - first_row_move
