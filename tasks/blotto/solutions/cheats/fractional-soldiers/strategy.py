"""Fractions of soldiers: nobody said that a sum of floats is exact."""


def row_strategy(history):
    return [20.0, 20.5, 20.5, 20.0, 19.5, 19.5]
