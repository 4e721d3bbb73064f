# Opens descriptors, sockets and session connections without end.
# number: 42
python3 - <<'PYTHON'
import os
import socket

kept = []
for _ in range(20_000):
    try:
        kept.append(os.open("train.csv", os.O_RDONLY))
    except OSError:
        break
os.closerange(kept[0], kept[-1] + 1)
clients = []
for _ in range(2_000):
    try:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        client.connect(os.environ["RESEARCHGYM_SESSION"])
        clients.append(client)
    except OSError:
        break
PYTHON
true
