# Starts processes without end.
# number: 42
# finding: limit_reached
# needs: pids
python3 - <<'PYTHON'
import os
import time

children = 0
# A bomb with an end: some runtimes have no limit.
for _ in range(300):
    try:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        children += 1
    except OSError:
        break
print(children, "children")
PYTHON
true
