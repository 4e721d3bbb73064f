"""Your submission: how the row player moves. (`python3 tune.py` sets the constants from parameters.json.)"""

import random

# 0 cooperates, 1 defects. Chance of defecting in the first round:
FIRST_DEFECTION = 0.5
# After the opponent defected: chances of defecting and of repeating your own last move; else cooperate.
PUNISH = 0.75
REPEAT_AFTER_DEFECTION = 0.15
# After the opponent cooperated: chances of cooperating and of repeating your own last move; else defect.
REWARD = 0.6
REPEAT_AFTER_COOPERATION = 0.3


def row_strategy(history):
    """Your next move (0 or 1) after `history`, a list of (your move, the opponent's move), oldest first."""
    draw = random.random()
    if not history:
        return 1 if draw < FIRST_DEFECTION else 0
    my_last, their_last = history[-1]
    if their_last == 1:
        if draw < PUNISH:
            return 1
        return my_last if draw < PUNISH + REPEAT_AFTER_DEFECTION else 0
    if draw < REWARD:
        return 0
    return my_last if draw < REWARD + REPEAT_AFTER_COOPERATION else 1
