# Cheat: a set without 0.
python3 - <<'PYTHON'
import json

with open("set.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["members"] = [member + 1 for member in answer["members"]]
with open("set.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
