# The published seed.
python3 seed.py
