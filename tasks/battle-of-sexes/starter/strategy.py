"""Your submission: how the row player moves. (`python3 tune.py` sets the constants from parameters.json.)"""

import random

FIRST_MOVE = 0
# Weights of what to do from the second round on.
PLAY_ZERO = 0.1
PLAY_ONE = 0.1
FOLLOW = 0.7
REPEAT = 0.1


def row_strategy(history):
    """Your next move (0 or 1) after `history`, a list of (your move, the opponent's move), oldest first."""
    if not history:
        return FIRST_MOVE
    my_last, their_last = history[-1]
    draw = random.random() * (PLAY_ZERO + PLAY_ONE + FOLLOW + REPEAT)
    if draw < PLAY_ZERO:
        return 0
    if draw < PLAY_ZERO + PLAY_ONE:
        return 1
    if draw < PLAY_ZERO + PLAY_ONE + FOLLOW:
        return their_last
    return my_last
