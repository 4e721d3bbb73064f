"""Eighty on every field: more than there are."""


def row_strategy(history):
    return [80] * 6
