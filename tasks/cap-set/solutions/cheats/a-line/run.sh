# Cheat: one more vector, which is on a line with two others.
python3 - <<'PYTHON'
import json

with open("cap.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["vectors"].append([0, 1, 1, 1, 1, 1])
answer["vectors"].append([0, 2, 2, 2, 2, 2])
answer["vectors"].append([0, 0, 0, 0, 0, 0])
with open("cap.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
