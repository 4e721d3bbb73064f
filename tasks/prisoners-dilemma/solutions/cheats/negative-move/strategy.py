"""In a Python table of payoffs, row -1 is the row of defection; a rule that looks for 1 does not see it."""


def row_strategy(history):
    return -1
