"""What tensorboardX writes, for our reader: `tensorboard_files.py FOLDER` writes files there, and prints the values that are in them.

Each value is a list: name, step, value. A test of researchgym-engine calls it.
"""

import json
import sys
from pathlib import Path

import numpy
from tensorboardX import SummaryWriter


def main(folder):
    told = []

    def tell(writer, prefix, name, value, step):
        writer.add_scalar(name, value, step)
        # As single precision keeps it.
        told.append([prefix + name, step, float(numpy.float32(value))])

    with SummaryWriter(str(folder / "runs")) as writer:
        for step in range(200):
            tell(writer, "", "train/loss", 2.5 * 0.98**step, step)
            if step % 50 == 0:
                tell(writer, "", "val_loss", 2.75 * 0.98**step, step)
                writer.add_histogram("weights", numpy.arange(20.0) + step, step)
                writer.add_image("picture", numpy.zeros((3, 200, 200), dtype=numpy.uint8), step)
                writer.add_text("words", "x" * 2_000_000, step)
    with SummaryWriter(str(folder / "runs/test")) as writer:
        tell(writer, "test/", "accuracy", 0.125, -3)
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
