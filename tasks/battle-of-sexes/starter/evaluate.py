"""Practice: plays strategy.py against target.py here, without using up a validation. The result is not a score.

Usage: `python3 evaluate.py [simulations]`, 2000 unless given.
"""

import statistics
import sys

from strategy import row_strategy
from target import target_column_strategy

ROUNDS = 10
PAYOFF = ((2, 0), (0, 1))  # of the row player, for (row's move, column's move)


def play(simulations):
    """The mean payoff of each simulation. All simulations advance together, as in the grading."""
    histories = [[] for _ in range(simulations)]
    totals = [0] * simulations
    for _ in range(ROUNDS):
        rows = [row_strategy(history) for history in histories]
        columns = [target_column_strategy(history) for history in histories]
        for simulation, (row, column) in enumerate(zip(rows, columns)):
            totals[simulation] += PAYOFF[row][column]
            histories[simulation].append((row, column))
    return [total / ROUNDS for total in totals]


if __name__ == "__main__":
    means = play(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    error = statistics.stdev(means) / len(means) ** 0.5
    print(f"mean payoff {statistics.fmean(means):.4f} (standard error {error:.4f}, {len(means)} simulations)")
