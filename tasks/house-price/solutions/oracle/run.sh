python3 model.py
