"""The floor of a game's grading: strategy and opponent in one process, without players, protocol and checks.

    PYTHONPATH=SUPPORT_LIBRARY python3 game.py TASK_FOLDER ROUNDS SIMULATIONS
"""

import random
import sys


def main(folder, rounds, simulations):
    sys.path[:0] = [folder + "/starter", folder + "/grader"]
    from grader import GAME
    from strategy import row_strategy

    total = 0
    for simulation in range(simulations):
        stream = random.Random(simulation)
        history = []
        for _ in range(rounds):
            row, column = row_strategy(history), GAME.column_strategy(history, stream)
            total += GAME.payoff(row, column)
            history.append((row, column))
    print(total / (rounds * simulations))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
