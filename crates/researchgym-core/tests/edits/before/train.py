import math

from lib.optimizer import step

RATE = 0.02
STEPS = 40


def loss(x):
    return (x - 3.0) ** 2


def main():
    x = 0.0
    for _ in range(STEPS):
        x = step(x, RATE)
    print(f"loss: {loss(x):.6f}")


if __name__ == "__main__":
    main()
