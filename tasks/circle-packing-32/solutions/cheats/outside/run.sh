# Cheat: a circle leaves the square by 1e-12.
python3 - <<'PYTHON'
import json

with open("packing.json", encoding="utf-8") as file:
    packing = json.load(file)
packing["circles"] = [[0.1, 0.1, 0.1 + 1e-12]] + [[0.9, 0.9, 0.0]] * 31
with open("packing.json", "w", encoding="utf-8") as file:
    json.dump(packing, file)
PYTHON
