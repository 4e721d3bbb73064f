# The best of a thousand random placements.
python3 seed.py
