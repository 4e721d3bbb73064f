python3 fit.py
