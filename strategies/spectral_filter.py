"""Spectral filter.

Diakonikolas, Kamath, Kane, Li, Moitra and Stewart, "Being Robust (in High Dimensions) Can Be
Practical", ICML 2017, https://arxiv.org/abs/1703.00893, filter by the top eigenvector; Diakonikolas
and Kane, "Recent Advances in Algorithmic High-Dimensional Robust Statistics", 2019,
https://arxiv.org/abs/1911.05911, describe the form with weights.  When to stop is our own.
"""

from statistics import NormalDist
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core import rows, spectral
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["SpectralFilter"]

_NORMAL = NormalDist()
_ROUNDING = 1e-9  # of an update's weight
_FAR = 1e12  # squared distance, in variances, beyond which no digit of a projection is right


class SpectralFilter(Bounded, Aggregator):
    """Weigh updates down while they vary suspiciously more in one direction than honest ones do.

    Colluding attackers far enough out to matter make the direction in which all vary most.  In each
    step the update farthest out in it loses its weight, the others a share of theirs that goes with
    their squared distance from the mean, until the variance is usual.  Unlike `caf` and `smea` it
    leaves a round without attackers as it is, nearly always if clients are alike, and is the mean
    then.  The price: attackers who stay as close as honest updates are to each other pass (`alie`
    with few clients), and clients with heavy-tailed noise or very unusual data are filtered.

    The papers know how honest data vary, or fit the threshold to a distribution.  Here usual is
    `factor` times the larger of two variances that f attackers cannot make large: that of the n - f
    projections nearest to their median, scaled to what it would be of a whole normal distribution;
    and that which a single usual update makes in its own direction, as long ones do where there are
    more coordinates than clients, 1 / 2n of its squared distance from the nearest majority.

    What 2f updates weigh is taken away at most: of attackers who are far away each step takes at
    least as much as of honest clients.  Scores are the weights before they are divided by their
    sum, 1 for an update never suspected.  Without attackers to expect (f = 0) it is the mean.

    Cost: all pairwise distances, O(n^2 d), then O(n^3) for each of at most 2f + 1 steps.

    Fields:
        num_malicious: how many malicious updates a round may hold (f); None for as many as the
            server expects.
        factor: how many times as large as the estimate of the honest variance is suspicious.
    """

    by_distance: ClassVar[bool] = True
    scores_trust: ClassVar[bool] = True

    factor: float = Field(4.0, ge=1)

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        squares = rows.squared_distances(updates)
        alone = squares.sort(dim=1).values[:, n // 2].min().item() / (2 * n)
        trust = torch.ones(n, dtype=torch.float64, device=updates.device)
        while (left := trust.sum().item() - (n - 2 * f)) > _ROUNDING:
            variance, projections = spectral.principal(squares, trust)
            near = (trust > 0) | (squares @ trust <= _FAR * variance * trust.sum())
            if variance <= self.factor * max(alone, _honest_variance(projections[near], n, f)):
                break
            outlying = projections.square()
            taken = trust * (outlying / outlying[trust > 0].max()).clamp(max=1.0)
            rest = trust - taken * min(1.0, left / taken.sum().item())
            trust = rest.where(rest > _ROUNDING, 0.0)
        weights = (trust / trust.sum()).to(updates.dtype)
        return Aggregate(weights @ updates, state, weights, trust)


def _honest_variance(projections: Tensor, n: int, f: int) -> float:
    """Estimate the variance of n normal numbers, f of them replaced and the farthest missing."""
    away = (projections - projections.quantile(0.5)).abs().sort().values[: n - f]
    share = (n - f) / n
    edge = _NORMAL.inv_cdf((1 + share) / 2)  # in deviations, of the middle n - f
    inner = 1 - 2 * edge * _NORMAL.pdf(edge) / share  # the variance within it
    return away.square().mean().item() / inner
