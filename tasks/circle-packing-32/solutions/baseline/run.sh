# A square grid.
python3 seed.py
