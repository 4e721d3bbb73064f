# Cheat: one point less.
python3 - <<'PYTHON'
import json

with open("points.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["points"].pop()
with open("points.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
