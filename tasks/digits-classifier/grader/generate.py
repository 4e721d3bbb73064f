"""Makes the digits of this task: glyphs of 5 x 7 dots on 8 x 8 pixels, moved, with strokes that vary in strength and noise.

`python3 generate.py ../starter .` writes `train.csv` and `inputs.csv` there and `labels.csv` here. The seed stays here.
"""

import pathlib
import random
import sys

SEED = 917
SIDE = 8
TRAIN, VALIDATION, TEST = 480, 200, 200
GLYPHS = """
.###. ..#.. .###. ##### ...#. ##### .###. ##### .###. .###.
#...# .##.. #...# ....# ..##. #.... #.... ....# #...# #...#
#...# ..#.. ....# ...#. .#.#. ####. #.... ...#. #...# #...#
#...# ..#.. ...#. ..##. #..#. ....# ####. ..#.. .###. .####
#...# ..#.. ..#.. ....# ##### ....# #...# ..#.. #...# ....#
#...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ....#
.###. .###. ##### .###. ...#. .###. .###. .#... .###. .###.
"""


def glyphs():
    """For each digit the dots that are set."""
    lines = [line.split() for line in GLYPHS.strip().splitlines()]
    return [
        [(x, y) for y, line in enumerate(lines) for x, dot in enumerate(line[digit]) if dot == "#"] for digit in range(10)
    ]


def picture(stream, dots):
    """One digit as 64 grey values from 0 to 9."""
    pixels = [[0.0] * SIDE for _ in range(SIDE)]
    left, top = stream.randint(0, 3), stream.randint(0, 1)
    for x, y in dots:
        if stream.random() < 0.95:
            pixels[top + y][left + x] = stream.uniform(0.55, 1.0)
    noisy = [min(max(value + stream.gauss(0.0, 0.1), 0.0), 1.0) for row in pixels for value in row]
    return [int(value * 9.0 + 0.5) for value in noisy]


def main(visible, hidden):
    stream = random.Random(SEED)
    shapes = glyphs()
    drawn = []
    for _ in range(TRAIN + VALIDATION + TEST):
        digit = stream.randrange(10)
        drawn.append((digit, picture(stream, shapes[digit])))
    train, others = drawn[:TRAIN], drawn[TRAIN:]
    line = lambda pixels: "".join(str(pixel) for pixel in pixels)
    (visible / "train.csv").write_text("".join(f"{digit},{line(pixels)}\n" for digit, pixels in train))
    (visible / "inputs.csv").write_text("".join(f"{line(pixels)}\n" for _, pixels in others))
    (hidden / "labels.csv").write_text("".join(f"{digit}\n" for digit, _ in others))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
