# Cheat: a height below 0.
python3 - <<'PYTHON'
import json

with open("function.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["heights"][20] = -1e-12
with open("function.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
