# Cheat: a point that is outside of the triangle by 1e-12.
python3 - <<'PYTHON'
import json

with open("points.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["points"][0] = [-1e-12, 0.5]
with open("points.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
