# Cheat: false and true for 0 and 1.
python3 - <<'PYTHON'
import json

with open("set.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["members"] = [False, True, 3]
with open("set.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
