"""Writes the values of parameters.json into the constants at the top of strategy.py."""

import json
import re

with open("parameters.json", encoding="utf-8") as file:
    parameters = json.load(file)
with open("strategy.py", encoding="utf-8") as file:
    strategy = file.read()

for name, value in parameters.items():
    line = re.compile(rf"^{name.upper()} = .*$", re.MULTILINE)
    strategy, replaced = line.subn(f"{name.upper()} = {value!r}", strategy)
    if replaced != 1:
        raise SystemExit(f"strategy.py has no line `{name.upper()} = ...` for the parameter {name}")

with open("strategy.py", "w", encoding="utf-8") as file:
    file.write(strategy)
