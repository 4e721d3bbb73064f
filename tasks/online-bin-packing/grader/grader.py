"""Grades a heuristic for online bin packing: asks it for priorities and packs fresh instances by them, here.

All instances are packed side by side, so that one message asks for the next item of each. Bins with the same room are
the same to everybody, so only the different rooms are sent.
"""

import math

import researchgym_grading as grading

DEADLINE_S = 60.0
FINISH_S = 10.0
BYTES = 1 << 20

SCALE, SHAPE = 45, 3  # of the Weibull distribution


def items(start, index):
    """The sizes of an instance's items, in the order of their arrival."""
    stream = start.stream("instance", index)
    count, capacity = start.parameters["items"], start.parameters["capacity"]
    if start.parameters["family"] == "uniform":
        return [stream.randint(20, 100) for _ in range(count)]
    return [min(capacity, max(1, int(stream.weibullvariate(SCALE, SHAPE)))) for _ in range(count)]


class Packing:
    """The open bins of an instance, as a number of bins for each room that is left."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.bins = [0] * (capacity + 1)
        self.used = 0

    def rooms(self, item):
        """The different rooms that take the item, least first; an empty bin is always there."""
        return [room for room in range(item, self.capacity) if self.bins[room]] + [self.capacity]

    def place(self, item, room):
        """Puts the item into a bin with this room, or into a new one."""
        if room == self.capacity:
            self.used += 1
        else:
            self.bins[room] -= 1
        self.bins[room - item] += 1


def choice(rooms, priorities):
    """The room with the highest priority, of equal ones the first."""
    if type(priorities) is not list or len(priorities) != len(rooms):
        grading.invalid(f"priority() must return {len(rooms)} numbers here, not {grading.describe(priorities)}")
    for value in priorities:
        if not (type(value) is float and math.isfinite(value)) and not (type(value) is int and abs(value) <= 1 << 53):
            grading.invalid(f"priority() returned {grading.describe(value)}, which is not a usual number")
    return rooms[priorities.index(max(priorities))]


def grade(start):
    parameters, player = start.parameters, start.players["submission"]
    instances = [items(start, index) for index in range(parameters["instances"])]
    packings = [Packing(parameters["capacity"]) for _ in instances]
    for arrived in zip(*instances):
        rooms = [packing.rooms(item) for packing, item in zip(packings, arrived)]
        question = [list(pair) for pair in zip(arrived, rooms)]
        answers = player.ask(question, DEADLINE_S, BYTES, cpu_limit_s=parameters["player_cpu_s"])
        if type(answers) is not list or len(answers) != len(question):
            grading.invalid(f"player.py answered {grading.describe(answers)}")
        for packing, item, open_rooms, priorities in zip(packings, arrived, rooms, answers):
            packing.place(item, choice(open_rooms, priorities))
    player.finish(FINISH_S)
    bound = sum(math.ceil(sum(instance) / parameters["capacity"]) for instance in instances)
    used = sum(packing.used for packing in packings)
    print(f"{used} bins, bound {bound}")
    return {"excess": 100.0 * (used - bound) / bound}


if __name__ == "__main__":
    grading.main(grade)
