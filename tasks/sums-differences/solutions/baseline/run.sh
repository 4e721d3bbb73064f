# The simplex, written in base 9.
python3 solve.py
