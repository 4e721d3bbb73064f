# Takes all the memory that there is.
# number: 42
# finding: limit_reached
# needs: memory
python3 - <<'PYTHON'
kept = []
# At most 512 MiB: some runtimes have no limit.
for _ in range(64):
    kept.append(bytearray(b"x") * (8 << 20))
print("took", len(kept) * 8, "MiB")
PYTHON
true
