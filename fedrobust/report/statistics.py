"""What figures over seeds allow one to say.  All the mathematics is SciPy's."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from statistics import mean, variance
from typing import NamedTuple

import numpy as np

from fedrobust.doubts import ENOUGH
from fedrobust.report.content import Figure

__all__ = [
    "Difference",
    "Ranks",
    "Verdict",
    "best_of",
    "differs",
    "discoveries",
    "figure",
    "harms",
    "ranks",
]

CONFIDENCE = 0.95
_NOISE = 1e-12  # a variance below it is rounding
_LEAST = 1.95  # a t below it is chance for any number of options and values


@dataclass(frozen=True)
class Verdict:
    """Which of several options is best, and which cannot be told from it."""

    best: int
    ties: list[int]  # others that may be as good, best first
    runner_up: int | None  # the next best by its mean
    ahead: float  # of the runner-up, on average
    sure: bool | None  # whether it is ahead beyond chance; None: nobody can know


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of several options over several blocks; 1 is best."""

    mean: dict[int, float]
    critical: float | None  # by how much two of them differ beyond chance
    p: float | None  # that all are equal
    groups: list[list[int]]  # options whose ranks are closer than that, from best to worst


def figure(values: Sequence[float]) -> Figure:
    """Return the mean of values and its t-interval, which assumes that they are near normal.

    It is as wide on either side, so that half of it is what stands behind ±, even where a share
    cannot be that low or high.

    Args:
        values: one a seed.
    """
    from scipy import stats

    middle, n = mean(values), len(values)
    if n == 1:
        return Figure(middle, None, None, list(values))
    spread = variance(values)
    half = 0.0
    if spread > _NOISE:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * sqrt(spread / n)
    return Figure(middle, middle - half, middle + half, list(values))


def best_of(options: Mapping[int, Sequence[float]]) -> Verdict:
    """Return the option with the highest mean, and those that cannot be told from it.

    By Games and Howell's procedure ("Pairwise Multiple Comparison Procedures with Unequal N's
    and/or Variances", Journal of Educational Statistics 1, 1976), which compares all pairs: the
    best is picked by the same values, so one that only looks so must not be called better.  It
    lets variances differ: a defense that fails under one seed varies more than one that holds.  Of
    options that are all the same it calls one worse at most once in twenty times.

    Args:
        options: of each its values, higher is better; at least one.

    Returns:
        With fewer than three values an option nobody can be sure, and nothing ties.
    """
    order = sorted(options, key=lambda option: (-mean(options[option]), option))
    best, others = order[0], order[1:]
    if not others:
        return Verdict(best, [], None, 0.0, None)
    ahead = mean(options[best]) - mean(options[others[0]])
    if min(map(len, options.values())) < ENOUGH:
        return Verdict(best, [], others[0], ahead, None)
    ties = [option for option in others if option not in _lower(options, best)]
    return Verdict(best, ties, others[0], ahead, not ties)


def _lower(options: Mapping[int, Sequence[float]], best: int) -> set[int]:
    """Return the options whose means are lower than the best's by more than chance."""
    return {
        option
        for option, values in options.items()
        if option != best and _chance(options[best], values, len(options)) < 1 - CONFIDENCE
    }


def _chance(higher: Sequence[float], lower: Sequence[float], k: int) -> float:
    """Return the p-value of Games and Howell for two of k means.

    `scipy.stats.tukey_hsd` has it too, for all pairs at once, which a report has no time for.
    """
    from scipy import stats

    gap = mean(higher) - mean(lower)
    a, b = variance(higher) / len(higher), variance(lower) / len(lower)
    if max(a, b) <= _NOISE:  # they differ or do not
        return 0.0 if gap > sqrt(_NOISE) else 1.0
    t = gap / sqrt(a + b)
    if t < _LEAST:
        return 1.0
    degrees = (a + b) ** 2 / (a**2 / (len(higher) - 1) + b**2 / (len(lower) - 1))
    return float(stats.studentized_range.sf(t * sqrt(2), k, degrees))


@contextmanager
def _nearly_alike() -> Iterator[None]:
    """Let values differ by little: SciPy would warn that rounding may be all that is left."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        yield


def ranks(blocks: Sequence[Mapping[int, float]]) -> Ranks:
    """Return the mean ranks of options over blocks, and which differ beyond chance.

    Friedman's test, and after it Nemenyi's critical difference (Demšar, "Statistical Comparisons
    of Classifiers over Multiple Data Sets", JMLR 7, 2006): q sqrt(k (k + 1) / 6 N), where q is
    the studentized range's quantile over sqrt(2), for k options in N blocks.

    Args:
        blocks: the score of each option in each; higher is better, and all have the same options.

    Returns:
        No critical difference where there are fewer than three options or two blocks.
    """
    from scipy import stats

    options = list(blocks[0]) if blocks else []
    k, n = len(options), len(blocks)
    if not k:
        return Ranks({}, None, None, [])
    table = np.asarray([[block[option] for option in options] for block in blocks])
    ranked = stats.rankdata(-table, axis=1)
    means = dict(zip(options, ranked.mean(axis=0).tolist(), strict=True))
    if k < 3 or n < 2:
        return Ranks(means, None, None, [])
    alike = bool((ranked == ranked[:, :1]).all())
    p = 1.0 if alike else float(stats.friedmanchisquare(*table.T).pvalue)
    quantile = stats.studentized_range.ppf(CONFIDENCE, k, np.inf) / sqrt(2)
    critical = float(quantile * sqrt(k * (k + 1) / (6 * n)))
    return Ranks(means, critical, p, _groups(means, critical))


def _groups(means: Mapping[int, float], critical: float) -> list[list[int]]:
    """Return the largest runs of neighbouring ranks that are closer than the difference."""
    order = sorted(means, key=lambda option: (means[option], option))
    found: list[list[int]] = []
    for start, first in enumerate(order):
        group = [option for option in order[start:] if means[option] - means[first] < critical]
        if len(group) > 1 and (not found or group[-1] != found[-1][-1]):
            found.append(group)
    return found


class Difference(NamedTuple):
    """By how much two means differ."""

    low: float  # with 95 % confidence it is between these
    high: float
    p: float  # that they are equal


def differs(before: Sequence[float], after: Sequence[float], paired: bool) -> Difference | None:
    """Return by how much a mean changed, and how likely it would be by chance.

    Args:
        before: values of one.
        after: values of the other.
        paired: whether they belong together one by one, as those of the same seeds do: then by a
            paired t-test; else by Welch's, which does not assume equal variances.

    Returns:
        None where one of them has a single value.
    """
    from scipy import stats

    if min(len(before), len(after)) < 2:
        return None
    gap = mean(after) - mean(before)
    spreads = [variance(before), variance(after)]
    if paired:
        spreads = [variance([then - now for then, now in zip(after, before, strict=True)])]
    if max(spreads) <= _NOISE:
        return Difference(gap, gap, 0.0 if abs(gap) > sqrt(_NOISE) else 1.0)
    with _nearly_alike():
        if paired:
            found = stats.ttest_rel(after, before)
        else:
            found = stats.ttest_ind(after, before, equal_var=False)
        between = found.confidence_interval(CONFIDENCE)
    return Difference(float(between.low), float(between.high), float(found.pvalue))


def discoveries(chances: Sequence[float]) -> list[bool]:
    """Return which of many p-values are below chance, one in twenty of them wrongly.

    By the procedure of Benjamini and Yekutieli (Annals of Statistics 29, 2001), which lets them
    depend on each other.
    """
    from scipy import stats

    if not chances:
        return []
    adjusted = stats.false_discovery_control(list(chances), method="by")
    return [bool(p < 1 - CONFIDENCE) for p in adjusted]


def harms(before: Sequence[float], after: Sequence[float]) -> bool | None:
    """Whether values are lower than before by more than chance, pair by pair.

    A one-sided paired t-test at 5 %: the same seed makes the same clients.

    Returns:
        None with fewer than three pairs.
    """
    from scipy import stats

    gaps = [then - now for then, now in zip(before, after, strict=True)]
    if len(gaps) < ENOUGH:
        return None
    if variance(gaps) <= _NOISE:
        return mean(gaps) > sqrt(_NOISE)
    with _nearly_alike():
        found = stats.ttest_rel(before, after, alternative="greater")
    return bool(found.pvalue < 1 - CONFIDENCE)
