"""Steps of the server after the mean, by their definitions, in float64.

All take rounds of updates ``[r, n, d]`` and return the model that began as zero.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.conformance.reference import Matrix

__all__ = [
    "adagrad",
    "adagrad_second",
    "adam",
    "adam_second",
    "adaptive",
    "momentum",
    "yogi",
    "yogi_second",
]

Second = Callable[[Matrix, Matrix, float], Matrix]  # of the moment, the squared update, beta2


def momentum(rounds: Matrix, f: int, beta: float, lr: float) -> Matrix:
    model, velocity = np.zeros(rounds.shape[2]), np.zeros(rounds.shape[2])
    for rows in rounds:
        velocity = beta * velocity + rows.mean(0)
        model = model + lr * velocity
    return model


def adaptive(
    rounds: Matrix,
    second: Second,
    start: float,
    lr: float,
    beta1: float,
    beta2: float,
    tau: float,
    correction: Callable[[int], float] = lambda number: 1.0,
) -> Matrix:
    """Follow algorithm 2 of "Adaptive Federated Optimization" (Reddi et al., ICLR 2021).

    There `start`, of the second moment, is tau^2, and there is no `correction` of a round's step.
    """
    model, first = np.zeros(rounds.shape[2]), np.zeros(rounds.shape[2])
    squares = np.full(rounds.shape[2], start)
    for number, rows in enumerate(rounds, start=1):
        update = rows.mean(0)
        first = beta1 * first + (1 - beta1) * update
        squares = second(squares, update**2, beta2)
        model = model + correction(number) * lr * first / (np.sqrt(squares) + tau)
    return model


def adam_second(v: Matrix, u: Matrix, beta2: float) -> Matrix:
    return beta2 * v + (1 - beta2) * u


def yogi_second(v: Matrix, u: Matrix, beta2: float) -> Matrix:
    return v - (1 - beta2) * u * np.sign(v - u)


def adagrad_second(v: Matrix, u: Matrix, beta2: float) -> Matrix:
    return v + u


def adam(rounds: Matrix, f: int, lr: float, beta1: float, beta2: float, tau: float) -> Matrix:
    return adaptive(rounds, adam_second, tau**2, lr, beta1, beta2, tau)


def yogi(rounds: Matrix, f: int, lr: float, beta1: float, beta2: float, tau: float) -> Matrix:
    return adaptive(rounds, yogi_second, tau**2, lr, beta1, beta2, tau)


def adagrad(rounds: Matrix, f: int, lr: float, beta1: float, tau: float) -> Matrix:
    return adaptive(rounds, adagrad_second, tau**2, lr, beta1, 0.0, tau)
