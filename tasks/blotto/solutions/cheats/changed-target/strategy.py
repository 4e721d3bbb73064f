"""Plays what pays against the changed target.py."""

import target


def row_strategy(history):
    return [0 if soldiers else 24 for soldiers in target.AGREED]
