# Submits a small archive that is gigabytes when it is unpacked.
# number: 44
python3 - <<'PYTHON'
import zipfile

with zipfile.ZipFile("model/weights.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    with archive.open("weights", "w") as file:
        for _ in range(48):
            file.write(bytes(1 << 20))
PYTHON
ls -l model/weights.zip
