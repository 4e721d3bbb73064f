"""Minimises a smooth function of many numbers: a limited-memory quasi-Newton method (L-BFGS) in plain Python."""

import math
from collections import deque


def minimise(evaluate, point, iterations, memory=10, longest=0.1):
    """The point after so many steps from `point`; `evaluate(point)` returns value and gradient.

    Steps are shortened until the value falls by a part of what the slope promises (Armijo). `longest` bounds how far a
    number moves in a step.
    """
    value, gradient = evaluate(point)
    history = deque(maxlen=memory)
    for _ in range(iterations):
        direction = [-g for g in gradient]
        weights = []
        for step, change, curvature in reversed(history):
            weight = sum(map(float.__mul__, step, direction)) / curvature
            weights.append(weight)
            direction = [d - weight * c for d, c in zip(direction, change)]
        if history:
            step, change, curvature = history[-1]
            scale = curvature / sum(c * c for c in change)
            direction = [scale * d for d in direction]
        else:
            scale = 0.01 / (1e-12 + math.sqrt(sum(g * g for g in gradient)))
            direction = [scale * d for d in direction]
        for (step, change, curvature), weight in zip(history, reversed(weights)):
            weight -= sum(map(float.__mul__, change, direction)) / curvature
            direction = [d + weight * s for d, s in zip(direction, step)]
        slope = sum(map(float.__mul__, direction, gradient))
        if slope > -1e-22:
            if not history:
                break
            history.clear()
            continue
        length = min(1.0, longest / max(map(abs, direction)))
        for _ in range(20):
            trial = [p + length * d for p, d in zip(point, direction)]
            trial_value, trial_gradient = evaluate(trial)
            if trial_value <= value + 1e-4 * length * slope:
                break
            length *= 0.4
        else:
            if not history:
                break
            history.clear()
            continue
        step = [t - p for t, p in zip(trial, point)]
        change = [t - g for t, g in zip(trial_gradient, gradient)]
        curvature = sum(map(float.__mul__, step, change))
        if curvature > 1e-18:
            history.append((step, change, curvature))
        point, value, gradient = trial, trial_value, trial_gradient
    return point
