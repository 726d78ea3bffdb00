"""How evenly a federation serves its clients, and whether it gives most to whom it owes most.

Collaborative fairness as in Xu and Lyu, "A Reputation Mechanism Is All You Need: Collaborative
Fairness and Adversarial Robustness in Federated Learning", https://arxiv.org/abs/2011.10464.  The
index of Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination for Resource
Allocation in Shared Computer Systems", DEC technical report TR-301, 1984,
https://arxiv.org/abs/cs/9809099.  The coefficient of Gini, "Variabilità e mutabilità", 1912.
"""

from collections.abc import Sequence
from itertools import compress
from math import fsum, isfinite, nan

from fedrobust.errors import DataError

__all__ = ["collaborative_fairness", "gini", "jain", "pearson", "spearman"]

_ROUNDING = 1e-12  # relative to the largest value; a vector that varies less is constant


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the linear correlation of two vectors ``[n]``, from -1 to 1.

    NaN where it is undefined: with fewer than two entries, with one that is not finite, or where
    a vector is constant up to rounding.

    Raises:
        DataError: if the vectors differ in length.
    """
    from scipy import stats

    return float(stats.pearsonr(x, y).statistic) if _vary(x, y) else nan


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the correlation of the ranks in two vectors ``[n]``, from -1 to 1.

    Equal values share the mean of their ranks.  NaN in the cases in which `pearson` is.

    Raises:
        DataError: if the vectors differ in length.
    """
    from scipy import stats

    return float(stats.spearmanr(x, y).statistic) if _vary(x, y) else nan


def collaborative_fairness(
    standalone: Sequence[float], final: Sequence[float], honest: Sequence[bool]
) -> float:
    """Return in percent how closely what honest clients get follows what they could do alone.

    From -100 to 100, and NaN in the cases in which `pearson` is, as where all get the same model.

    Args:
        standalone: ``[n]`` each client's accuracy with a model trained on its own examples only,
            for as many local epochs.
        final: ``[n]`` its accuracy with the model that the federation gave it, on the same data.
        honest: ``[n]`` whose accuracies count.

    Raises:
        DataError: if the vectors differ in length.
    """
    if not len(standalone) == len(final) == len(honest):
        raise DataError(
            "Collaborative fairness needs two accuracies and a role for each client, not "
            f"{len(standalone)} standalone ones, {len(final)} final ones and {len(honest)} roles."
        )
    return 100 * pearson(list(compress(standalone, honest)), list(compress(final, honest)))


def gini(shares: Sequence[float]) -> float:
    """Return the Gini coefficient of n shares: 0 if all are equal, 1 - 1/n if one has all.

    It is their mean absolute difference, over all pairs, divided by twice their mean.  NaN if
    nobody has anything, or a share is not finite.

    Raises:
        DataError: if a share is negative.

    >>> gini([1.0, 1.0, 1.0, 5.0])
    0.375
    """
    parts, n = sorted(_parts_of_whole(shares, "The Gini coefficient")), len(shares)
    return fsum((2 * i + 1 - n) * part for i, part in enumerate(parts)) / n if parts else nan


def jain(shares: Sequence[float]) -> float:
    """Return Jain's index of n shares: 1 if all are equal, k/n if k have the same and others none.

    It is the square of their mean, divided by the mean of their squares.  NaN if nobody has
    anything, or a share is not finite.

    Raises:
        DataError: if a share is negative.

    >>> jain([3.0, 3.0, 0.0, 0.0])
    0.5
    """
    parts = _parts_of_whole(shares, "Jain's index")
    return 1 / (len(parts) * fsum(part * part for part in parts)) if parts else nan


def _vary(x: Sequence[float], y: Sequence[float]) -> bool:
    """Return whether two vectors have a correlation; SciPy would warn where they have none."""
    if len(x) != len(y):
        raise DataError(
            f"A correlation needs two vectors of the same length, not {len(x)} and {len(y)}."
        )
    if len(x) < 2 or not all(map(isfinite, (*x, *y))):
        return False
    return all(max(v) - min(v) > _ROUNDING * max(map(abs, v)) for v in (x, y))


def _parts_of_whole(shares: Sequence[float], subject: str) -> list[float]:
    """Return shares that add up to one; none if they have no such scale."""
    if any(share < 0 for share in shares):
        raise DataError(
            f"{subject} needs shares of at least 0, not {min(shares)}; of values that may be "
            "negative, take their standard deviation."
        )
    largest = max(shares, default=0.0)
    if not largest or not all(map(isfinite, shares)):
        return []
    scaled = [share / largest for share in shares]  # whose sum is finite
    whole = fsum(scaled)
    return [part / whole for part in scaled]
