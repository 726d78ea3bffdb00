"""The updates that every system is given: benign ones, and those on which digits are lost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["INPUTS", "WITH_NAN", "Input"]

_D, _ROUNDS = 50, 3


@dataclass(frozen=True)
class Input:
    """Updates of some rounds, of which rules without a memory get the first.

    Fields:
        name: in the tables.
        about: what they are.
        rounds: the updates ``[r, n, d]``, in float32.
        f: how many of n the server expects to be malicious, at most.
    """

    name: str
    about: str
    rounds: NDArray[np.float32]
    f: int

    @property
    def n(self) -> int:
        """How many updates a round has."""
        return int(self.rounds.shape[1])


def _made(name: str, about: str, rounds: NDArray[np.float64], f: int) -> Input:
    return Input(name, about, rounds.astype(np.float32), f)


def _golden(name: str, rows: list[list[int]], f: int) -> Input:
    rounds = np.stack([np.roll(np.array(rows, float), turn, axis=0) for turn in range(_ROUNDS)])
    return _made(name, f"small whole numbers, f = {f}", rounds, f)


def _noise(n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((_ROUNDS, n, _D))


def _alie() -> NDArray[np.float64]:
    """Return 7 updates and 3 copies of their mean + 1.5 standard deviations (the attack ALIE)."""
    honest = _noise(7, 7)
    hostile = honest.mean(1, keepdims=True) + 1.5 * honest.std(1, ddof=1, keepdims=True)
    return np.concatenate([honest, np.repeat(hostile, 3, axis=1)], axis=1)


_X3 = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
_X7 = [[5, 1, 2], [4, 1, 3], [4, -3, -5], [-2, -2, 4], [5, -5, 0], [4, -4, 3], [-4, 0, 3]]

INPUTS = (
    _golden("3 x 3", _X3, 1),
    _golden("7 x 3", _X7, 2),
    _made("random, odd", "11 standard normal updates, f = 3", _noise(11, 1), 3),
    _made("random, even", "10 standard normal updates, f = 3", _noise(10, 2), 3),
    _made("no attackers", "10 standard normal updates, f = 0", _noise(10, 3), 0),
    _made(
        "heavy-tailed",
        "11 updates of a normal value over another, f = 3",
        _noise(11, 4) / _noise(11, 5),
        3,
    ),
    _made("ALIE", "7 standard normal updates and 3 of the attack ALIE with z = 1.5", _alie(), 3),
    _made("nearly equal", "10 updates of 1 + 1e-5 times noise, f = 3", 1 + 1e-5 * _noise(10, 6), 3),
    _made(
        "models",
        "10 models, not updates: parameters of 0.2 times noise, the same but for updates of 1e-4 "
        "times noise, f = 3",
        0.2 * np.random.default_rng(13).standard_normal(_D) + 1e-4 * _noise(10, 14),
        3,
    ),
    _made("small", "10 updates of 1e-4 times noise, f = 3", 1e-4 * _noise(10, 8), 3),
    _made("1e15", "10 updates of 1e15 times noise, f = 3", 1e15 * _noise(10, 9), 3),
    _made("1e18", "10 updates of 1e18 times noise, f = 3", 1e18 * _noise(10, 10), 3),
    _made("identical", "10 times the same update, f = 3", _noise(1, 11).repeat(10, 1), 3),
)


def _with_nan() -> Input:
    rounds = _noise(11, 12)
    rounds[:, -1] = np.nan
    return _made("NaN", "11 standard normal updates, the last replaced by NaN, f = 3", rounds, 3)


WITH_NAN = _with_nan()
