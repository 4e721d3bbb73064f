"""Grader of blotto: the mean outcome of the agent's allocations against the hidden copy of the opponent."""

from __future__ import annotations

import json
from typing import Any, Optional

import opponent
import researchgym_games as games
import researchgym_grading as grading

FIELDS = opponent.FIELDS
SOLDIERS = opponent.SOLDIERS


def outcome(row: list[int], column: list[int]) -> int:
    """1 if the row player holds more fields than the column player, -1 if fewer, 0 if as many."""
    lead = 0
    for ours, theirs in zip(row, column):
        if ours > theirs:
            lead += 1
        elif ours < theirs:
            lead -= 1
    return (lead > 0) - (lead < 0)


def fault(move: Any) -> Optional[str]:
    """What is wrong with an allocation. The published evaluator does not check the length; this one does."""
    if type(move) is not list or len(move) != FIELDS:
        return f"{json.dumps(move)[:80]}, not a list of {FIELDS} numbers"
    for soldiers in move:
        if type(soldiers) is not int:
            return f"{json.dumps(move)[:80]}, in which {json.dumps(soldiers)[:40]} is not a whole number"
        if soldiers < 0:
            return f"{json.dumps(move)[:80]}, in which {soldiers} is negative"
    if sum(move) > SOLDIERS:
        return f"{json.dumps(move)[:80]}, which is {sum(move)} soldiers; there are {SOLDIERS}"
    return None


GAME = games.Game(
    column_strategy=opponent.column_strategy, payoff=outcome, fault=fault, move_bytes=64, move_values=FIELDS + 1
)


def grade(start: grading.Start) -> dict[str, float]:
    return {"Score": games.play(start, GAME)}


if __name__ == "__main__":
    grading.main(grade)
