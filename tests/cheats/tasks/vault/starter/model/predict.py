"""Your model. So far it says of every number that it is not marked."""


def predict(numbers):
    return [0 for _ in numbers]
