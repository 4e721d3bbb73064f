# Cheat: more steps than allowed.
python3 - <<'PYTHON'
import json

with open("function.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["heights"] = [0.5] * 1001
with open("function.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
