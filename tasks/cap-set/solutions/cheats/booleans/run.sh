# Cheat: a vector again, with true instead of 1.
python3 - <<'PYTHON'
import json

with open("cap.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["vectors"] += [[digit == 1 or digit for digit in vector] for vector in answer["vectors"]]
with open("cap.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
