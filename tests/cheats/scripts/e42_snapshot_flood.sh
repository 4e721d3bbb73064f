# Lets the harness itself fill the disk: refused validations, each with another content of the workspace to be recorded.
# number: 42
# finding: validation_flood
mv model kept
cat > asks.py <<'PYTHON'
import json
import os
import socket

client = socket.socket(socket.AF_UNIX)
client.connect(os.environ["RESEARCHGYM_SESSION"])
lines = client.makefile("rw", encoding="utf-8", newline="\n")
# Half a gigabyte if each were recorded.
for _ in range(101):
    with open("changing", "wb") as file:
        file.write(os.urandom(5 << 20))
    lines.write('{"method": "validate"}\n')
    lines.flush()
    assert not json.loads(lines.readline())["ok"]
PYTHON
python3 asks.py
mv kept model
