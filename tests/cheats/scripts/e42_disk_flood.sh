# Fills the disk.
# number: 42
# finding: limit_reached
python3 - <<'PYTHON'
import os
import time

# At most 96 MiB, of 8 that are allowed, and then time for somebody to notice.
with open("flood", "wb", buffering=0) as file:
    for _ in range(96):
        try:
            file.write(os.urandom(1 << 20))
        except OSError:
            break
    os.fsync(file)
time.sleep(20)
PYTHON
rm -f flood
