"""`True` counts as a soldier in Python."""


def row_strategy(history):
    return [True, 23, 24, 24, 24, 24]
