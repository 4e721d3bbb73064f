"""Always 0: the opponent then plays 0 with probability 0.8 from the second round on, which pays 0.9 * 1.6 = 1.44."""


def row_strategy(history):
    return 0
