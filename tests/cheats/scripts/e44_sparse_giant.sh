# Submits a file of a terabyte that takes no room.
# number: 44
# finding: oversized_artefact
python3 -c 'import os; os.truncate(os.open("model/weights.bin", os.O_CREAT | os.O_WRONLY), 4 << 20)'
truncate -s 1T model/weights.bin
true
