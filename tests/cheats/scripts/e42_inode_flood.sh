# Uses the disk's inodes up: more files than anybody wants to look at.
# number: 42
python3 - <<'PYTHON'
import os

os.mkdir("many")
for number in range(25_000):
    try:
        os.close(os.open(f"many/{number}", os.O_CREAT | os.O_WRONLY))
    except OSError:
        break
PYTHON
true
