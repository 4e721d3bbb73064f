"""Repeated two-player games in lockstep: all simulations advance together, one message per round.

Grader's side: `play` asks the player for its moves of a round in all simulations at once, plays the opponent
itself, each simulation with a random stream of its own, and returns the mean payoff. It does not believe the
player: every move is checked.

Player's side, a program: `python3 -I researchgym_games.py strategy.py` loads the agent's `row_strategy(history)`
and calls it for simulation 0, 1, 2, .. in the first round, then for all of them in the second, and so on.
`history` is the list of (row's move, column's move) of that simulation. What a strategy keeps in its module is its
own and is shared by all simulations.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable, Optional

if TYPE_CHECKING:
    from researchgym_grading import Start

History = list  # of (row's move, column's move)

# Histories are hundreds of thousands of small objects without cycles: the collector would walk them for nothing.
_COLLECT_AFTER = 200_000
# Time to hang up after the last move.
_HANG_UP_S = 30.0


@dataclass(frozen=True)
class Game:
    """The rules of a game."""

    column_strategy: Callable[[History, random.Random], Any]
    """The opponent: its move after a history. All its randomness comes from the stream given."""
    payoff: Callable[[Any, Any], int]
    """What the row player gets for (row's move, column's move)."""
    fault: Callable[[Any], Optional[str]]
    """What is wrong with a move of the row player's; None if it is legal. The move may be any JSON value."""
    move_bytes: int
    """Longest JSON text of a legal move, with its comma."""
    move_values: int = 1
    """Most JSON values in a legal move."""


def play(start: Start, game: Game, player_name: str = "submission") -> float:
    """The row player's payoff, averaged over rounds and simulations.

    The parameters `rounds` and `simulations` say how much is played, `player_cpu_s` and `player_wall_s` what all
    moves together may take. Payoffs are whole numbers, so the mean is exact up to its one rounding to a float.
    """
    from researchgym_grading import invalid  # not at the top: the player's side has no use for it

    gc.set_threshold(_COLLECT_AFTER)
    parameters = start.parameters
    rounds, simulations = parameters["rounds"], parameters["simulations"]
    end = time.monotonic() + parameters["player_wall_s"]
    player = start.players[player_name]
    limits: dict[str, Any] = {
        "max_bytes": 4096 + simulations * game.move_bytes,
        "max_values": 16 + simulations * game.move_values,
        "max_depth": 8,
        "cpu_limit_s": parameters["player_cpu_s"],
    }

    begin = {"begin": {"simulations": simulations, "player_seed": start.player_seed}}
    player.ask(begin, end - time.monotonic(), **limits)
    streams = [start.stream("opponent", index) for index in range(simulations)]
    histories: list[History] = [[] for _ in range(simulations)]
    column_strategy, payoff, fault = game.column_strategy, game.payoff, game.fault
    total = 0
    player.send({"columns": None}, end - time.monotonic())
    for round_number in range(1, rounds + 1):
        # The opponent cannot see this round's moves of the row player: it thinks at the same time.
        columns = [column_strategy(history, stream) for history, stream in zip(histories, streams)]
        rows = player.receive(end - time.monotonic(), **limits)
        if round_number < rounds:
            player.send({"columns": columns}, end - time.monotonic())
        if type(rows) is not list or len(rows) != simulations:
            invalid(f"your program did not answer round {round_number} with one move for each simulation")
        for index, (row, column, history) in enumerate(zip(rows, columns, histories)):
            problem = fault(row)
            if problem is not None:
                invalid(f"simulation {index}, round {round_number}: row_strategy returned {problem}")
            total += payoff(row, column)
            history.append((row, column))
    player.finish(_HANG_UP_S)
    return total / (rounds * simulations)


def binary_fault(move: Any) -> Optional[str]:
    """What is wrong with a move in a game whose moves are 0 and 1. `True` is not 1 here, and 1.0 neither."""
    if type(move) is int and 0 <= move <= 1:
        return None
    return f"{json.dumps(move)[:80]}, not the whole number 0 or 1"


class Strategy:
    """The agent's strategy and the histories of all its simulations."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._row_strategy: Any = None
        self._histories: list[History] = []
        self._rows: list = []

    def answer(self, message: dict[str, Any]) -> Any:
        """Answers a question of `play`."""
        if "begin" in message:
            return self._begin(**message["begin"])
        return self._move(message["columns"])

    def _begin(self, simulations: int, player_seed: int) -> bool:
        import researchgym_player

        random.seed(player_seed)
        name = os.path.basename(self._path)
        try:
            strategy = _load(self._path)
        except BaseException as error:
            raise researchgym_player.AgentError(f"could not load {name}: {researchgym_player.summary(error)}") from None
        self._row_strategy = getattr(strategy, "row_strategy", None)
        if not callable(self._row_strategy):
            raise researchgym_player.AgentError(f"has no function row_strategy(history) in {name}")
        self._histories = [[] for _ in range(simulations)]
        return True

    def _move(self, columns: Optional[list]) -> list:
        import researchgym_player

        if columns is not None:
            for history, row, column in zip(self._histories, self._rows, columns):
                history.append((row, column))
        row_strategy = self._row_strategy
        self._rows = rows = []
        try:
            for history in self._histories:
                rows.append(row_strategy(history))
        except BaseException as error:
            place = f"simulation {len(rows)}, round {len(self._histories[len(rows)]) + 1}"
            reason = f"row_strategy raised {researchgym_player.summary(error)}"
            raise researchgym_player.AgentError(f"failed in {place}: {reason}") from None
        return rows


def _load(path: str) -> ModuleType:
    """Imports the strategy under its own name; files beside it are not found by its imports."""
    name = os.path.splitext(os.path.basename(path))[0]
    loader = SourceFileLoader(name, path)
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = path
    loader.exec_module(module)
    return module


def _main(path: str) -> None:
    # Python's isolated mode (-I) leaves this folder out of the search path.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import researchgym_player

    gc.set_threshold(_COLLECT_AFTER)
    researchgym_player.serve(researchgym_player.connect(), Strategy(path).answer)


if __name__ == "__main__":
    _main(sys.argv[1])
