"""SignGuard.

Xu, Huang, Song and Lan, "Byzantine-robust Federated Learning through Collaborative Malicious
Gradient Filtering", ICDCS 2022, https://arxiv.org/abs/2109.05872, algorithm 2.
"""

from math import ceil

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo, State

__all__ = ["SignGuard"]

_SMALLEST = 1e-9  # bandwidth; shares that differ at all differ by more
_STEPS = 300  # of mean shift, at most; ten are many


class SignGuard(Aggregator):
    """Average the updates of usual length among those with usual shares of plus, zero and minus.

    Attacks like `alie` and `ipm` change how many coordinates of an update are positive, which its
    length and its distances hardly tell.  How many updates are malicious need not be known, but
    they must be fewer than the honest ones.  An attacker who flips as many coordinates up as down
    passes (`sign_flip` on updates that are balanced themselves), and so does one who copies an
    honest client.  Where data differ honest clients fall into several clusters, and all but one of
    them are left out; or all of them, for a minority that sends equal shares near theirs is denser.

    Two filters judge all updates, and those that pass both are kept: the length is between bounds
    around the median; the shares, on coordinates drawn afresh in each round (one at random in each
    of equal stretches), are in the largest cluster.  What is kept is clipped to the median length
    and averaged.

    Clusters are found by mean shift: from each client it moves to the mean of those within a
    bandwidth, until it stays, and the largest is where it stays with most.  The paper leaves the
    bandwidth open: it is the median, over all clients, of the distance within which most others
    are.  (Common code takes the mean, which a few decoys far out widen until all others are one
    cluster.)  Of clusters of one size the one with the fewest negative coordinates counts, and if
    no update passes both filters those of usual length are kept, which is open, too.  For an even
    number a median is the smaller of the two values in the middle.

    Scores are how many of the two filters an update failed.

    Cost: a few passes over the updates, O(n d), and O(n^2) for each step of mean shift.

    Fields:
        lower: the shortest usual length (L in the paper), as a multiple of the median.
        upper: the longest usual length (R in the paper), as a multiple of the median.
        sample: the share of coordinates on which signs are counted.
    """

    lower: float = Field(0.1, ge=0, le=1)
    upper: float = Field(3.0, ge=1)
    sample: float = Field(0.1, gt=0, le=1)

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        lengths = rows.norms(updates)
        median = lengths.median()
        usual = (self.lower * median <= lengths) & (lengths <= self.upper * median)
        count = ceil(self.sample * updates.shape[1])
        shares = _shares_of_signs(rows.some_columns(updates, count, info.generator))
        clustered = _largest_cluster(shares.cpu()).to(updates.device)
        kept = usual & clustered
        kept = kept if kept.any() else usual
        weights = kept * rows.clip_factors(updates, median.item()) / kept.sum()
        failed = 2 - usual.double() - clustered.double()
        return Aggregate(weights @ updates, state, weights, failed)


def _shares_of_signs(updates: Tensor) -> Tensor:
    """Return ``[n, 3]``: which share of each row is positive, zero and negative."""
    signs = updates.sign()
    return torch.stack([(signs == sign).double().mean(dim=1) for sign in (1, 0, -1)], dim=1)


def _largest_cluster(points: Tensor) -> Tensor:
    """Say which of ``[n, 3]`` points are in the largest cluster."""
    order = torch.from_numpy(np.lexsort(points.numpy().T))  # else, ties depend on theirs
    points = points[order]
    apart = _distances(points, points)
    most = apart.sort(dim=1).values[:, len(points) // 2]
    bandwidth = max(most.median().item() * (1 + 1e-9), _SMALLEST)  # what is on it, is in it
    near = apart <= bandwidth
    for _ in range(_STEPS):
        before = near
        means = near.double() @ points / near.sum(dim=1, keepdim=True)
        near = _distances(means, points) <= bandwidth
        if near.equal(before):
            break
    return near[near.sum(dim=1).argmax()][order.argsort()]


def _distances(points: Tensor, others: Tensor) -> Tensor:
    return torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")
