# Uses the disk's inodes up: more files than anybody wants to look at.
# number: 42
# finding: limit_reached
python3 - <<'PYTHON'
import os
import time

os.mkdir("many")
for number in range(25_000):
    try:
        os.close(os.open(f"many/{number}", os.O_CREAT | os.O_WRONLY))
    except OSError:
        break
# Time for somebody to notice.
time.sleep(20)
PYTHON
true
