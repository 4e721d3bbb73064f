"""The opponent, to read and to practise against. The grader plays a copy of its own with its own randomness."""

import random

FIELDS = 6
SOLDIERS = 120


def target_column_strategy(history):
    """The column player's next allocation: six numbers that add up to 120. It does not look at `history`."""
    numbers = [random.randint(0, SOLDIERS) for _ in range(FIELDS)]
    return normalised(numbers, random.randrange(FIELDS))


def normalised(numbers, remainder_field):
    """The numbers scaled to 120 soldiers, rounded down, with what is left over on one field."""
    scale = SOLDIERS / (sum(numbers) or 1)
    allocation = [int(number * scale) for number in numbers]
    allocation[remainder_field] += SOLDIERS - sum(allocation)
    return allocation
