"""The column player of prisoners-dilemma: the rules of `starter/target.py`, with a random stream that it is given.

0 cooperates, 1 defects.
"""

from __future__ import annotations

import random

History = list  # of (row's move, column's move)


def noisy(history: History, stream: random.Random) -> int:
    """Mostly repeats itself; starts with defection."""
    if not history:
        return 1
    draw = stream.random()
    if draw < 0.3333:
        return 0
    if draw < 0.5:
        return 1
    if draw < 0.9:
        return history[-1][1]
    return 1 - history[-1][0]


def tit_for_tat(history: History, stream: random.Random) -> int:
    """Copies the row player's last move; starts with cooperation."""
    return history[-1][0] if history else 0


def always_cooperate(history: History, stream: random.Random) -> int:
    """Cooperates."""
    return 0


def always_defect(history: History, stream: random.Random) -> int:
    """Defects."""
    return 1


def coin(history: History, stream: random.Random) -> int:
    """Tosses a coin."""
    return stream.randint(0, 1)


def grim(history: History, stream: random.Random) -> int:
    """Cooperates until the row player has defected once."""
    return 1 if any(row == 1 for row, _ in history) else 0


def pavlov(history: History, stream: random.Random) -> int:
    """Cooperates at the start and after rounds in which both did the same."""
    return 0 if not history or history[-1][0] == history[-1][1] else 1


def tit_for_two_tats(history: History, stream: random.Random) -> int:
    """Defects after two defections in a row."""
    return 1 if [row for row, _ in history[-2:]] == [1, 1] else 0


def suspicious_tit_for_tat(history: History, stream: random.Random) -> int:
    """Copies the row player's last move; starts with defection."""
    return history[-1][0] if history else 1


def second_coin(history: History, stream: random.Random) -> int:
    """Tosses a coin: the published opponent has two such rules."""
    return stream.randint(0, 1)


def forgiving_tit_for_tat(history: History, stream: random.Random) -> int:
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


def column_strategy(history: History, stream: random.Random) -> int:
    """Each round one of the rules, chosen anew with equal chances."""
    return stream.choice(RULES)(history, stream)
