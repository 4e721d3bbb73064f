# The submitted program takes processes, memory and files while it is graded.
# number: 42
# finding: limit_reached
# needs: memory
cat > model/predict.py <<'PYTHON'
import os
import time

kept = []
try:
    for _ in range(300):
        if os.fork() == 0:
            time.sleep(2)
            os._exit(0)
except OSError:
    pass
try:
    with open("/tmp/flood", "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
except OSError:
    pass
for _ in range(64):
    kept.append(bytearray(b"x") * (8 << 20))


def predict(numbers):
    return [0 for _ in numbers]
PYTHON
