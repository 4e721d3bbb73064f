"""Writes heuristic.py from genome.json: the priority of a bin as a function of the room that the item would leave.

    python3 solve.py

The genome has the function's value at some rooms; between two of them it is a straight line. A falling line, as it is
here at first, is best fit.
"""

import json

ROOMS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 28, 36, 46, 60, 80, 100, 150)

TEMPLATE = '''"""Written by solve.py from genome.json."""

# By the room that is left once the item is in.
PRIORITY = (
    {table},
)


def priority(item, bins):
    """A number for each bin, of which `bins` tells the room that is left; the item goes where the number is highest."""
    return [PRIORITY[room - item] for room in bins]
'''


def table(weights):
    """The function's value at each room from 0 to the last."""
    values = [weights[0]]
    for left, right, low, high in zip(ROOMS, ROOMS[1:], weights, weights[1:]):
        values += [low + (high - low) * step / (right - left) for step in range(1, right - left + 1)]
    return values


def main():
    with open("genome.json", encoding="utf-8") as file:
        weights = json.load(file)
    values = ",\n    ".join(repr(float(value)) for value in table(weights))
    with open("heuristic.py", "w", encoding="utf-8") as file:
        file.write(TEMPLATE.format(table=values))


if __name__ == "__main__":
    main()
