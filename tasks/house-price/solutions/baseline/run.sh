python3 baseline.py
