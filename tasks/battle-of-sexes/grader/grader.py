"""Grader of battle-of-sexes: the mean payoff of the agent's row strategy against the hidden copy of the opponent."""

from __future__ import annotations

import opponent
import researchgym_games as games
import researchgym_grading as grading

# Row's payoff for (row's move, column's move). The column player's, ((1, 0), (0, 2)), counts for nothing.
ROW_PAYOFF = ((2, 0), (0, 1))

GAME = games.Game(
    column_strategy=opponent.column_strategy,
    payoff=lambda row, column: ROW_PAYOFF[row][column],
    fault=games.binary_fault,
    move_bytes=8,
)


def grade(start: grading.Start) -> dict[str, float]:
    return {"Score": games.play(start, GAME)}


if __name__ == "__main__":
    grading.main(grade)
