"""Grades a character model: its mean loss on a hidden text, computed here from its numbers."""

import math

import researchgym_grading as grading
import researchgym_objects as objects

MAX_BYTES = 1 << 20
CHARACTERS = "abcdefghijklmnopqrstuvwxyz ."
# Numbers in a model: what keeps grading quick, and models small.
MAX_NUMBERS = 20000
MAX_CONTEXT, MAX_WIDTH, MAX_LAYERS = 16, 128, 4
# Beyond it nothing can be learnt from a number, and sums may overflow.
BOUND = 1e6


def matrix(value, what, width):
    """Rows of so many bounded numbers."""
    rows = [objects.numbers(row, f"{what}[{index}]", width, width) for index, row in enumerate(objects.items(value, what, 1, MAX_WIDTH))]
    if any(abs(number) > BOUND for row in rows for number in row):
        grading.invalid(f"{what} has a number beyond {BOUND:g}")
    return rows


def read_model():
    """Context length, embedding and layers of what was submitted."""
    answer = objects.read("model.json", MAX_BYTES)
    if type(answer) is not dict or set(answer) != {"context", "embedding", "layers"}:
        grading.invalid('model.json must be {"context": ..., "embedding": ..., "layers": ...}')
    context = objects.integer(answer["context"], "context", 1, MAX_CONTEXT)
    first = objects.items(answer["embedding"], "embedding", len(CHARACTERS), len(CHARACTERS))[0]
    size = len(objects.items(first, "embedding[0]", 1, MAX_WIDTH))
    embedding = matrix(answer["embedding"], "embedding", size)
    layers, width = [], context * size
    for index, layer in enumerate(objects.items(answer["layers"], "layers", 1, MAX_LAYERS)):
        if type(layer) is not dict or set(layer) != {"weights", "bias"}:
            grading.invalid(f'layers[{index}] must be {{"weights": ..., "bias": ...}}')
        weights = matrix(layer["weights"], f"layers[{index}].weights", width)
        (bias,) = matrix([layer["bias"]], f"layers[{index}].bias", len(weights))
        layers.append((weights, bias))
        width = len(weights)
    if width != len(CHARACTERS):
        grading.invalid(f"the last layer has {width} outputs, not {len(CHARACTERS)}")
    if sum(len(weights) * (len(weights[0]) + 1) for weights, _ in layers) + size * len(CHARACTERS) > MAX_NUMBERS:
        grading.invalid(f"the model has more than {MAX_NUMBERS} numbers")
    return context, embedding, layers


def loss(model, codes, at):
    """Nats for the character at a position, from those before it."""
    context, embedding, layers = model
    values = [number for code in codes[at - context : at] for number in embedding[code]]
    for index, (weights, bias) in enumerate(layers):
        values = [sum(map(float.__mul__, row, values)) + shift for row, shift in zip(weights, bias)]
        if index + 1 < len(layers):
            values = [math.tanh(value) for value in values]
    highest = max(values)
    return highest + math.log(sum(math.exp(value - highest) for value in values)) - values[codes[at]]


def grade(start):
    model = read_model()
    name = "validation.txt" if start.split == "validation" else "test.txt"
    with open(name, encoding="ascii") as file:
        codes = [CHARACTERS.index(character) for character in file.read().strip("\n")]
    losses = [loss(model, codes, at) for at in range(MAX_CONTEXT, len(codes))]
    return {"loss": math.fsum(losses) / len(losses)}


if __name__ == "__main__":
    grading.main(grade)
