# Random search, the published seed.
python3 solve.py
