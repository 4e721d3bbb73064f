"""Runs the submitted model for the grader. It is careless: it unpickles the model's weights and imports its code."""

import os
import pickle
import sys

sys.path.append("/researchgym/lib")

import researchgym_player as player  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    connection = player.connect()

    def answer(numbers):
        weights = os.path.join(HERE, "model", "weights.pkl")
        if os.path.exists(weights):
            with open(weights, "rb") as file:
                pickle.load(file)
        sys.path.insert(0, os.path.join(HERE, "model"))
        import predict

        return predict.predict(numbers)

    player.serve(connection, answer)


if __name__ == "__main__":
    main()
