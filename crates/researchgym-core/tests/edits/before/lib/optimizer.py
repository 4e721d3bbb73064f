"""One step of descent."""


def slope(x):
    return 2 * (x - 3.0)


def step(x, rate):
    return x - rate * slope(x)
