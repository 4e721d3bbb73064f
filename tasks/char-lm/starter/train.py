"""Trains a small model that tells the next character from those before, and writes it as plain numbers."""

import json
import math
import random
import sys

CHARACTERS = "abcdefghijklmnopqrstuvwxyz ."
CONTEXT = 3
EMBEDDING = 6
HIDDEN = 24
LEARNING_RATE = 0.003
STEPS = 3000
REPORT_EVERY = 500
HELD_OUT = 600


def multiply(rows, values, bias):
    return [sum(map(float.__mul__, row, values)) + shift for row, shift in zip(rows, bias)]


class Model:
    """Embedded characters, one hidden layer with tanh, softmax."""

    def __init__(self, stream):
        draw = lambda rows, columns: [
            [stream.gauss(0.0, 1.0 / math.sqrt(columns)) for _ in range(columns)] for _ in range(rows)
        ]
        self.embedding = draw(len(CHARACTERS), EMBEDDING)
        self.first, self.first_bias = draw(HIDDEN, CONTEXT * EMBEDDING), [0.0] * HIDDEN
        self.second, self.second_bias = draw(len(CHARACTERS), HIDDEN), [0.0] * len(CHARACTERS)

    def forward(self, before):
        embedded = [number for code in before for number in self.embedding[code]]
        hidden = [math.tanh(value) for value in multiply(self.first, embedded, self.first_bias)]
        scores = multiply(self.second, hidden, self.second_bias)
        highest = max(scores)
        powers = [math.exp(score - highest) for score in scores]
        total = sum(powers)
        return embedded, hidden, [power / total for power in powers]

    def loss(self, before, after):
        return -math.log(max(self.forward(before)[2][after], 1e-12))

    def learn(self, before, after, rate):
        """One step of stochastic gradient descent; returns the loss before it."""
        embedded, hidden, chances = self.forward(before)
        errors = [chance - (index == after) for index, chance in enumerate(chances)]
        back = [0.0] * HIDDEN
        for index, (row, error) in enumerate(zip(self.second, errors)):
            back = [sum_ + error * weight for sum_, weight in zip(back, row)]
            self.second[index] = [weight - rate * error * value for weight, value in zip(row, hidden)]
            self.second_bias[index] -= rate * error
        slopes = [value * (1.0 - unit * unit) for value, unit in zip(back, hidden)]
        deep = [0.0] * len(embedded)
        for index, (row, slope) in enumerate(zip(self.first, slopes)):
            deep = [sum_ + slope * weight for sum_, weight in zip(deep, row)]
            self.first[index] = [weight - rate * slope * value for weight, value in zip(row, embedded)]
            self.first_bias[index] -= rate * slope
        for place, code in enumerate(before):
            part = deep[place * EMBEDDING : (place + 1) * EMBEDDING]
            self.embedding[code] = [number - rate * slope for number, slope in zip(self.embedding[code], part)]
        return -math.log(max(chances[after], 1e-12))

    def save(self):
        layers = [
            {"weights": self.first, "bias": self.first_bias},
            {"weights": self.second, "bias": self.second_bias},
        ]
        with open("model.json", "w", encoding="ascii") as file:
            json.dump({"context": CONTEXT, "embedding": self.embedding, "layers": layers}, file)


def main():
    with open("train.txt", encoding="ascii") as file:
        codes = [CHARACTERS.index(character) for character in file.read().strip("\n")]
    train, held_out = codes[:-HELD_OUT], codes[-HELD_OUT:]
    steps = 50 if "--smoke" in sys.argv else STEPS
    stream = random.Random(11)
    model = Model(stream)
    losses = []
    for step in range(1, steps + 1):
        at = stream.randrange(CONTEXT, len(train))
        losses.append(model.learn(train[at - CONTEXT : at], train[at], LEARNING_RATE))
        if step % REPORT_EVERY == 0 or step == steps:
            judged = [model.loss(held_out[at - CONTEXT : at], held_out[at]) for at in range(CONTEXT, len(held_out))]
            report = {"step": step, "train_loss": sum(losses) / len(losses), "val_loss": sum(judged) / len(judged)}
            print(json.dumps(report), flush=True)
            losses = []
    model.save()


if __name__ == "__main__":
    main()
