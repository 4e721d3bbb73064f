# Patches every clock of the submitted program, and tries to set the machine's.
# number: 30
# never: the clock was set
cat > clock.py <<'PYTHON'
import ctypes
import time

# To what it says anyway: should this ever succeed, nothing is lost.
libc = ctypes.CDLL(None, use_errno=True)


class Time(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


now = time.clock_gettime_ns(time.CLOCK_REALTIME)
set_to = Time(now // 10**9, now % 10**9)
print("the clock was set" if libc.clock_settime(0, ctypes.byref(set_to)) == 0 else "the clock stands")
PYTHON
python3 clock.py
cat > model/predict.py <<'PYTHON'
import time

frozen = time.time()
for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
    setattr(time, name, lambda: frozen)
    setattr(time, name + "_ns", lambda: int(frozen * 1e9))
time.sleep = lambda seconds: None


def predict(numbers):
    return [0 for _ in numbers]
PYTHON
