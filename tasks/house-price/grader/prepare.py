"""Makes the published split of the Ames housing data: 1022 rows to train, 146 to validate, 292 to test.

    python3 /grader/prepare.py /download/ames_train.csv      writes into the current folder

The published split is scikit-learn's `train_test_split`, 20 % with seed 42 and then 12.5 % of the rest with seed 42.
It takes the head of a permutation by NumPy's old Mersenne Twister generator, which is done here with Python alone, so
that preparing needs no packages. Fields are copied as they are.
"""

import csv
import math
import random
import sys

SEED = 42
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.125
TARGET = "SalePrice"


def mersenne_twister(seed):
    """The generator as `numpy.random.RandomState(seed)` starts it; Python's own `seed` mixes the seed differently."""
    state = [seed]
    for index in range(1, 624):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + index) % 2**32)
    generator = random.Random()
    generator.setstate((3, (*state, 624), None))
    return generator


def permutation(count, seed):
    """`numpy.random.RandomState(seed).permutation(count)`."""
    generator = mersenne_twister(seed)
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        bits = last.bit_length()
        chosen = last + 1
        while chosen > last:
            chosen = generator.getrandbits(32) % 2**bits
        order[last], order[chosen] = order[chosen], order[last]
    return order


def split(rows, share):
    """`train_test_split(rows, test_size=share, random_state=SEED)`: the larger and the smaller part."""
    order = permutation(len(rows), SEED)
    count = math.ceil(share * len(rows))
    return [rows[index] for index in order[count:]], [rows[index] for index in order[:count]]


def write(path, header, rows, columns):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([header[column] for column in columns])
        writer.writerows([row[column] for column in columns] for row in rows)


def main(path):
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    rest, test = split(rows, TEST_SHARE)
    train, validation = split(rest, VALIDATION_SHARE)
    every = range(len(header))
    target = header.index(TARGET)
    write("train.csv", header, train, every)
    write("validation.csv", header, validation, every)
    write("test.csv", header, test, [column for column in every if column != target])
    write("answer.csv", header, test, [header.index("Id"), target])


if __name__ == "__main__":
    main(sys.argv[1])
