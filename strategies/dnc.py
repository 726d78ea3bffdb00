"""Divide and conquer (DnC).

Shejwalkar and Houmansadr, "Manipulating the Byzantine: Optimizing Model Poisoning Attacks and
Defenses for Federated Learning", NDSS 2021, https://doi.org/10.14722/ndss.2021.24498, algorithm 2.
"""

from math import ceil

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from fedrobust.core import pairwise, rows, spectral
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["DnC"]


class DnC(Bounded, Aggregator):
    """Leave out the updates that lie farthest out in the direction in which all vary most.

    Attackers who collude shift all their updates one way, and make that the direction in which a
    round varies most.  Withstands them however far they go and, where clients are alike, also if
    they stay close (`alie`).  Where data differ, honest clients are what varies most, and those
    with unusual data are left out.

    It bounds no lengths and sees one direction at a time.  Large attackers who do not collude
    (`gaussian_noise`) each have a direction of their own; in one round of twenty it misses one
    of four, which is enough.  One who sends something enormous is the direction, the mean lies far
    out on it, and honest clients are left out before others who went that way a little, and any
    other way as far as they like.  Put `norm_clipping` or `adaptive_robust_clipping` before it.

    It leaves out f clients an iteration even if all are honest, and not always the same ones: with
    five iterations on models larger than b about 6 of 20 remain for f = 4, and 32 of 100 for 20.

    An iteration looks at a few coordinates, one at random in each of b equal stretches, drawn after
    clients have sent, so that no attack can be made to fit; a model with no more than b is looked
    at once, as a whole.  An update has to be kept in every iteration; if none is, those kept most
    often are averaged, which the paper leaves open.  Of equally outlying updates the first is kept.
    The direction is exact, from the distances between updates.

    Scores are an update's squared distance from the mean along these directions, on average over
    the iterations: high for those it suspects.

    Cost: all pairwise distances on b coordinates, O(n^2 b), and O(n^3), an iteration.

    Fields:
        num_malicious: how many malicious updates a round may hold (f); None for as many as the
            server expects.
        iterations: how often to draw coordinates and filter (niters in the paper).
        coordinates: how many coordinates to draw (b in the paper), or all if there are fewer.
        filter_share: how many updates to leave out an iteration, as a multiple of f (c in the
            paper), rounded down.
    """

    iterations: PositiveInt = 5
    coordinates: PositiveInt = 10_000
    filter_share: PositiveFloat = 1.0

    @property
    def bound(self) -> tuple[int, int]:
        return max(2, ceil(self.filter_share)), 1

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        kept = n - int(self.filter_share * f + 1e-9)  # 0.29 times 100 is a little less than 29
        even = torch.ones(n, device=updates.device)
        scores = torch.zeros(n, dtype=torch.float64, device=updates.device)
        passed = torch.zeros_like(scores)
        draw = info.generator
        whole = updates.shape[1] <= self.coordinates
        iterations = 1 if whole else self.iterations
        for _ in range(iterations):
            seen = updates if whole else rows.some_columns(updates, self.coordinates, draw)
            squares = rows.squared_distances(seen)
            away = spectral.principal(squares, even)[1].abs()
            ranked = away.float().argsort(stable=True)  # digits beyond are rounding's, not theirs
            passed[ranked[:kept]] += 1
            scores += away.square() / iterations
        often = (passed == passed.max()).nonzero().flatten().tolist()
        weights = pairwise.averaging(often, updates)
        return Aggregate(weights @ updates, state, weights, scores)
