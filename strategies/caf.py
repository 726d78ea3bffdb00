"""Covariance-bound agnostic filter (CAF).

Allouah, Guerraoui and Stephan, "Towards Trustworthy Federated Learning with Untrusted
Participants", ICML 2025, https://arxiv.org/abs/2505.01874.
"""

from typing import ClassVar

import torch
from torch import Tensor

from fedrobust.core import rows, spectral
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["CAF"]

_ROUNDING = 1e-9  # of an update's weight


class CAF(Bounded, Aggregator):
    """Weigh updates down by how far out they are in the direction in which all vary most.

    Does what `smea` does for any number of clients: it looks for updates whose covariance has a
    small largest eigenvalue, made for the noise of differential privacy, in which colluding
    attackers show in one direction.  Step by step the update farthest out in the main direction
    loses all its weight, others part of theirs; what counts is the step at which the main direction
    varied least.  It needs to know f only to stop, and keeps more than n - f updates where that is
    better.  Attacks that stay within the honest spread of every direction (`mimic`) pass: put
    `nearest_neighbor_mixing` before it.

    Each step finds the main direction exactly, rather than by the few power iterations of other
    implementations, which find another one.  Without attackers to expect (f = 0) it is the mean.
    Scores are the weights before they are divided by their sum, 1 for an update never suspected.

    Cost: all pairwise distances, O(n^2 d), then O(n^3) for each of at most 2f steps.

    Fields:
        num_malicious: how many malicious updates a round may hold (f); None for as many as the
            server expects.
    """

    by_distance: ClassVar[bool] = True
    scores_trust: ClassVar[bool] = True

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        squares = rows.squared_distances(updates)
        trust = best = torch.ones(n, dtype=torch.float64, device=updates.device)  # c in the paper
        least = torch.inf
        while trust.sum() > n - 2 * f:
            variance, projections = spectral.principal(squares, trust)
            if variance < least:
                least, best = variance, trust
            outlying = projections.square()
            farthest = outlying[trust > 0].max()
            if not farthest > 0:
                break
            trust = trust * (1 - outlying / farthest).clamp(min=0.0)
            trust = trust.masked_fill(trust < _ROUNDING, 0.0)  # of twins, rounding leaves a trace
        weights = (best / best.sum()).to(updates.dtype)
        return Aggregate(weights @ updates, state, weights, best)
