"""Writes heuristic.py: a branching rule with four parameters, read from parameters.json.

    python3 linear.py

It is a worked example, and what the `tuner` searches. For each variable: how often it occurs in unresolved clauses,
where a clause with two unassigned literals counts `short` times as much as one with three; plus `product` times the
product of what its two literals count; plus `conflict` times its conflict count. The value is "true", or by what the
literals count "majority" or "minority".
"""

import json

TEMPLATE = '''"""Written by linear.py. {values}"""


def heuristic_fn(clauses, assignments, conflict_count, assignment_history, level):
    counts = {{}}
    for clause in clauses:
        free = [literal for literal in clause if abs(literal) not in assignments]
        weight = {short!r} if len(free) == 2 else 1.0
        for literal in free:
            counts[literal] = counts.get(literal, 0.0) + weight
    best, best_score = None, -1.0
    for literal, count in counts.items():
        opposite = counts.get(-literal, 0.0)
        score = count + opposite + {product!r} * count * opposite + {conflict!r} * conflict_count.get(abs(literal), 0)
        if score > best_score:
            best, best_score = abs(literal), score
    {value}
'''

VALUES = {
    "true": "return best, True",
    "majority": "return best, counts.get(best, 0.0) >= counts.get(-best, 0.0)",
    "minority": "return best, counts.get(best, 0.0) < counts.get(-best, 0.0)",
}


def main():
    with open("parameters.json", encoding="utf-8") as file:
        parameters = json.load(file)
    weights = {name: float(parameters[name]) for name in ("short", "product", "conflict")}
    values = ", ".join(f"{name} {value}" for name, value in {**weights, "value": parameters["value"]}.items())
    text = TEMPLATE.format(values=values, value=VALUES[parameters["value"]], **weights)
    with open("heuristic.py", "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
