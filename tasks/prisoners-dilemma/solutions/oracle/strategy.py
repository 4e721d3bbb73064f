"""Always defect: no rule of the opponent's lasts beyond a round, so there is little to be gained by being nice."""


def row_strategy(history):
    return 1
