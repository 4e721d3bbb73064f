import math

from lib.optimizer import step

RATE = 0.05
STEPS = 40


def loss(x):
    return (x - 3.0) ** 2


def main():
    x = 0.0
    for k in range(STEPS):
        rate = RATE * (1 - k / STEPS)
        x = step(x, rate)
    print(f"loss: {loss(x):.6f}")


if __name__ == "__main__":
    main()
