# Cheat: numbers as texts.
python3 - <<'PYTHON'
import json

with open("points.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["points"] = [[str(value) for value in point] for point in answer["points"]]
with open("points.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
