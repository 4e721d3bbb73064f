# Cheat: a member twice.
python3 - <<'PYTHON'
import json

with open("set.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["members"].append(answer["members"][-1])
with open("set.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
