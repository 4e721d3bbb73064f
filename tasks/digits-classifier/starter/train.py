"""Trains a small network on digits and predicts those of `inputs.csv`."""

import json
import math
import random
import sys

LEARNING_RATE = 0.005
EPOCHS = 4
HIDDEN = 24
HELD_OUT = 80


def pixels(text):
    return [int(digit) / 9.0 for digit in text]


def load():
    with open("train.csv", encoding="ascii") as file:
        rows = [line.strip().split(",") for line in file]
    with open("inputs.csv", encoding="ascii") as file:
        inputs = [pixels(line.strip()) for line in file]
    return [(pixels(picture), int(label)) for label, picture in rows], inputs


class Network:
    """One hidden layer with tanh, ten outputs with softmax."""

    def __init__(self, stream, inputs, hidden, outputs):
        draw = lambda count: [stream.gauss(0.0, 1.0 / math.sqrt(count)) for _ in range(count)]
        self.first = [draw(inputs) for _ in range(hidden)]
        self.second = [draw(hidden) for _ in range(outputs)]
        self.first_bias = [0.0] * hidden
        self.second_bias = [0.0] * outputs

    def forward(self, x):
        hidden = [math.tanh(sum(map(float.__mul__, row, x)) + bias) for row, bias in zip(self.first, self.first_bias)]
        scores = [sum(map(float.__mul__, row, hidden)) + bias for row, bias in zip(self.second, self.second_bias)]
        highest = max(scores)
        powers = [math.exp(score - highest) for score in scores]
        total = sum(powers)
        return hidden, [power / total for power in powers]

    def learn(self, x, label, rate):
        """One step of stochastic gradient descent; returns the loss before it."""
        hidden, chances = self.forward(x)
        loss = -math.log(max(chances[label], 1e-12))
        errors = [chance - (index == label) for index, chance in enumerate(chances)]
        back = [0.0] * len(hidden)
        for row, error in zip(self.second, errors):
            for index, value in enumerate(hidden):
                back[index] += error * row[index]
                row[index] -= rate * error * value
        self.second_bias = [bias - rate * error for bias, error in zip(self.second_bias, errors)]
        for index, row in enumerate(self.first):
            slope = rate * back[index] * (1.0 - hidden[index] * hidden[index])
            self.first[index] = [weight - slope * value for weight, value in zip(row, x)]
            self.first_bias[index] -= slope
        return loss


def mean_loss(network, examples):
    return sum(-math.log(max(network.forward(x)[1][label], 1e-12)) for x, label in examples) / len(examples)


def main():
    examples, inputs = load()
    if "--smoke" in sys.argv:
        examples, epochs = examples[: HELD_OUT + 20], 1
    else:
        epochs = EPOCHS
    held_out, train = examples[:HELD_OUT], examples[HELD_OUT:]
    stream = random.Random(7)
    network = Network(stream, 64, HIDDEN, 10)
    step = 0
    for _ in range(epochs):
        stream.shuffle(train)
        losses = []
        for x, label in train:
            losses.append(network.learn(x, label, LEARNING_RATE))
            step += 1
        report = {"step": step, "train_loss": sum(losses) / len(losses), "val_loss": mean_loss(network, held_out)}
        print(json.dumps(report), flush=True)
    answers = [network.forward(x)[1] for x in inputs]
    with open("predictions.json", "w", encoding="ascii") as file:
        json.dump({"labels": [chances.index(max(chances)) for chances in answers]}, file)


if __name__ == "__main__":
    main()
