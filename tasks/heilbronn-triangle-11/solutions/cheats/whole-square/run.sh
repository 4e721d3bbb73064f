# Cheat: points in the unit square, of which the triangle is a half.
python3 - <<'PYTHON'
import json

with open("points.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["points"] = [[1.0 - x, 1.0 - y] for x, y in answer["points"]]
with open("points.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
