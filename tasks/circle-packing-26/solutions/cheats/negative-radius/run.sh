# Cheat: a radius below zero, so that another circle seems not to touch it.
python3 - <<'PYTHON'
import json

with open("packing.json", encoding="utf-8") as file:
    packing = json.load(file)
packing["circles"] = [[0.5, 0.5, 0.5], [0.5, 0.5, -0.5]] + [[0.9, 0.9, -0.9]] * 24
with open("packing.json", "w", encoding="utf-8") as file:
    json.dump(packing, file)
PYTHON
