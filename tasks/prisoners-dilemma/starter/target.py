"""The opponent, to read and to practise against. The grader plays a copy of its own with its own randomness.

0 cooperates, 1 defects; `history` is a list of (row's move, column's move).
"""

import random


def noisy(history):
    """Mostly repeats itself; starts with defection."""
    if not history:
        return 1
    draw = random.random()
    if draw < 0.3333:
        return 0
    if draw < 0.5:
        return 1
    if draw < 0.9:
        return history[-1][1]
    return 1 - history[-1][0]


def tit_for_tat(history):
    """Copies the row player's last move; starts with cooperation."""
    return history[-1][0] if history else 0


def always_cooperate(history):
    """Cooperates."""
    return 0


def always_defect(history):
    """Defects."""
    return 1


def coin(history):
    """Tosses a coin."""
    return random.randint(0, 1)


def grim(history):
    """Cooperates until the row player has defected once."""
    return 1 if any(row == 1 for row, _ in history) else 0


def pavlov(history):
    """Cooperates at the start and after rounds in which both did the same."""
    return 0 if not history or history[-1][0] == history[-1][1] else 1


def tit_for_two_tats(history):
    """Defects after two defections in a row."""
    return 1 if [row for row, _ in history[-2:]] == [1, 1] else 0


def suspicious_tit_for_tat(history):
    """Copies the row player's last move; starts with defection."""
    return history[-1][0] if history else 1


def second_coin(history):
    """Tosses a coin: the published opponent has two such rules."""
    return random.randint(0, 1)


def forgiving_tit_for_tat(history):
    """Forgives two defections in a row; otherwise copies the row player's last move."""
    if not history or [row for row, _ in history[-2:]] == [1, 1]:
        return 0
    return history[-1][0]


RULES = (
    noisy,
    tit_for_tat,
    always_cooperate,
    always_defect,
    coin,
    grim,
    pavlov,
    tit_for_two_tats,
    suspicious_tit_for_tat,
    second_coin,
    forgiving_tit_for_tat,
)


def target_column_strategy(history):
    """The column player's next move: each round one of the rules, chosen anew with equal chances."""
    return random.choice(RULES)(history)
