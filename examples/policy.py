"""A policy for `researchgym run TASK search`: a child of one of the three best. See docs/reference/policy-protocol.md."""

import json
import random
import sys

nodes = {}
for message in map(json.loads, sys.stdin):
    if message["type"] == "begin":
        begin, sign = message, -1 if message["metric"]["direction"] == "maximize" else 1
    elif message["type"] == "node":
        nodes[message["id"]] = message
    elif message["type"] == "ask":
        random.seed(f"{begin['seed']} {message['ask']}")
        measured = [node for node in nodes.values() if node["status"] == "measured"]
        best = sorted(measured, key=lambda node: sign * node["value"])[:3]
        operators = [name for name in begin["operators"] if name not in ("crossover", "replicate")]
        child = lambda: {"operator": random.choice(operators), "parents": [node["id"] for node in random.sample(best, min(1, len(best)))]}
        print(json.dumps({"type": "plans", "plans": [child() for _ in range(message["free"])]}), flush=True)
