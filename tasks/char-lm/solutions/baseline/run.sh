# The starter as it is.
python3 train.py
