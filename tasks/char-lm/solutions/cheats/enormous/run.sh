# Cheat: a number with which sums overflow.
python3 train.py
python3 - <<'PYTHON'
import re

text = open("model.json", encoding="ascii").read()
text = re.sub(r'("embedding": \[\[)[^,]+', r"\g<1>1e300", text, count=1)
open("model.json", "w", encoding="ascii").write(text)
PYTHON
