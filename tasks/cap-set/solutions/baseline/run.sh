# The greedy rule with equal weights.
python3 solve.py
