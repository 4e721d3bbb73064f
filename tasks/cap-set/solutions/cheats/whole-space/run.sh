# Cheat: all vectors.
python3 - <<'PYTHON'
import json

with open("cap.json", encoding="utf-8") as file:
    answer = json.load(file)
from itertools import product

answer["vectors"] = [list(vector) for vector in product(range(3), repeat=6)]
with open("cap.json", "w", encoding="utf-8") as file:
    json.dump(answer, file)
PYTHON
