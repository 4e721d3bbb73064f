# Cheat: points in space.
python3 - <<'PYTHON'
import json

with open("points.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["points"] = [point + [index / 16] for index, point in enumerate(answer["points"])]
with open("points.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
