# Cheat: vectors of seven places.
python3 - <<'PYTHON'
import json

with open("cap.json", encoding="utf-8") as file:
    answer = json.load(file)
answer["vectors"] = [vector + [place] for vector in answer["vectors"] for place in (0, 1)]
with open("cap.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
