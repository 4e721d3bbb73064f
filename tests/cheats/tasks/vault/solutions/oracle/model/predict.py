"""The rule behind the marks; the wrong ones cannot be known."""


def predict(numbers):
    return [int(number % 7 in (1, 2, 4)) for number in numbers]
