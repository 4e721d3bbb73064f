"""Fits a polynomial to points.csv by least squares, as settings.json says, and writes curve.json."""

import csv
import json


def solve(matrix, right):
    """The solution of a square system of linear equations, by elimination with the largest pivot."""
    rows = [row + [value] for row, value in zip(matrix, right)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for row in range(column + 1, size):
            factor = rows[row][column] / rows[column][column]
            rows[row] = [value - factor * above for value, above in zip(rows[row], rows[column])]
    solution = [0.0] * size
    for row in reversed(range(size)):
        rest = sum(rows[row][column] * solution[column] for column in range(row + 1, size))
        solution[row] = (rows[row][size] - rest) / rows[row][row]
    return solution


def fit(points, degree, penalty):
    """Coefficients from the constant one upwards; the constant one is not penalised."""
    powers = range(degree + 1)
    matrix = [[sum(x ** (i + j) for x, _ in points) for j in powers] for i in powers]
    for i in powers[1:]:
        matrix[i][i] += penalty
    return solve(matrix, [sum(y * x**i for x, y in points) for i in powers])


def main():
    with open("points.csv", newline="") as file:
        points = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    with open("settings.json") as file:
        settings = json.load(file)
    coefficients = fit(points, settings["degree"], settings["penalty"])
    with open("curve.json", "w") as file:
        json.dump({"coefficients": coefficients}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
