def clip(value):
    return max(-5.0, min(5.0, value))
