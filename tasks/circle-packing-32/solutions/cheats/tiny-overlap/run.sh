# Cheat: two circles of 0.1 overlap by 1e-12, which every published tolerance but ours forgives.
python3 - <<'PYTHON'
import json

with open("packing.json", encoding="utf-8") as file:
    packing = json.load(file)
packing["circles"] = [[0.1, 0.1, 0.1], [0.3 - 1e-12, 0.1, 0.1]] + [[0.9, 0.9, 0.0]] * 30
with open("packing.json", "w", encoding="utf-8") as file:
    json.dump(packing, file)
PYTHON
