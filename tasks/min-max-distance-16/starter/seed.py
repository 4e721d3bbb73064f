"""The seed: a square grid of 4 by 4 points, with a squared ratio of 18.

    python3 seed.py

Writes points.json.
"""

import json


def main():
    points = [[column / 4, row / 4] for row in range(4) for column in range(4)]
    with open("points.json", "w", encoding="utf-8") as file:
        json.dump({"points": points}, file)


if __name__ == "__main__":
    main()
