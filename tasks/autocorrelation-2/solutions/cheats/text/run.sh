# Cheat: numbers as texts.
python3 - <<'PYTHON'
import json

with open("function.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["heights"] = [str(value) for value in answer["heights"]]
with open("function.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
