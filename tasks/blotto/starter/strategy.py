"""Your submission: how the row player places soldiers. (`python3 tune.py` sets the constants from parameters.json.)"""

import random

FIELDS = 6
SOLDIERS = 120

# How many times soldiers are added to a random field, and how many each time.
FEWEST_ADDITIONS = 1
MOST_ADDITIONS = 6
FEWEST_SOLDIERS = 10
MOST_SOLDIERS = 30
# Chance of an even split over the first EVEN_FIELDS fields instead.
EVEN_SHARE = 0.0
EVEN_FIELDS = 6


def row_strategy(history):
    """Your next allocation after `history`, a list of (your allocation, the opponent's), oldest first."""
    if random.random() < EVEN_SHARE:
        return [SOLDIERS // EVEN_FIELDS] * EVEN_FIELDS + [0] * (FIELDS - EVEN_FIELDS)
    numbers = [0] * FIELDS
    for _ in range(random.randint(FEWEST_ADDITIONS, MOST_ADDITIONS)):
        numbers[random.randrange(FIELDS)] += random.randint(FEWEST_SOLDIERS, MOST_SOLDIERS)
    left = SOLDIERS - sum(numbers)
    for field in range(FIELDS):
        if numbers[field] == 0 and left > 0:
            numbers[field] = random.randint(0, left)
            left -= numbers[field]
    return normalised(numbers)


def normalised(numbers):
    """The numbers scaled to 120 soldiers, rounded down, with what is left over on a random field."""
    scale = SOLDIERS / sum(numbers)
    allocation = [int(number * scale) for number in numbers]
    allocation[random.randrange(FIELDS)] += SOLDIERS - sum(allocation)
    return allocation
