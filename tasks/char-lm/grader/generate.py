"""Makes the text of this task from a small grammar of our own: lower-case sentences about a harbour.

`python3 generate.py ../starter .` writes `train.txt` there, `validation.txt` and `test.txt` here. Grammar and seed stay here.
"""

import pathlib
import random
import sys

SEED = 4021
TRAIN, HIDDEN = 12000, 2000
NOUNS = "boat gull tide rope lantern sailor harbour anchor storm keeper net barrel stone bell wave island".split()
VERBS = "carries finds follows greets hears holds leaves lifts meets mends passes watches".split()
PLAIN = "sleeps waits sings turns drifts returns".split()
KINDS = "old grey small quiet heavy bright broken northern salty patient".split()
PLACES = "near under beyond behind above beside".split()
WHEN = ["at dawn", "at night", "in winter", "before the rain", "after the storm", "every morning"]


def noun(stream):
    kind = stream.choice(KINDS) + " " if stream.random() < 0.5 else ""
    return f"{stream.choice(['the', 'the', 'a', 'one'])} {kind}{stream.choice(NOUNS)}"


def sentence(stream):
    words = noun(stream)
    words += f" {stream.choice(VERBS)} {noun(stream)}" if stream.random() < 0.6 else f" {stream.choice(PLAIN)}"
    if stream.random() < 0.4:
        words += f" {stream.choice(PLACES)} {noun(stream)}"
    if stream.random() < 0.3:
        words += f" {stream.choice(WHEN)}"
    return words + ". "


def text(stream, length):
    written = ""
    while len(written) < length:
        written += sentence(stream)
    return written[:length]


def main(visible, hidden):
    stream = random.Random(SEED)
    (visible / "train.txt").write_text(text(stream, TRAIN) + "\n")
    (hidden / "validation.txt").write_text(text(stream, HIDDEN) + "\n")
    (hidden / "test.txt").write_text(text(stream, HIDDEN) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
