"""Plays what pays against the changed target.py."""

import target


def row_strategy(history):
    return target.AGREED
