"""`False` is as good as 0 as an index of a table, but it is not a move."""


def row_strategy(history):
    return False
