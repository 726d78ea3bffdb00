"""Norm clipping.

Sun, Kairouz, Suresh and McMahan, "Can You Really Backdoor Federated Learning?", 2019,
https://arxiv.org/abs/1911.07963.
"""

from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import PreAggregator, RoundInfo, State, Transformed

__all__ = ["NormClipping"]


class NormClipping(PreAggregator):
    """Scale down every update longer than a bound to that length.

    Stops attacks that need length (`gaussian_noise`, scaled-up backdoors): together, f clients
    move the mean by at most f / n times the bound.  It does nothing about direction, so small and
    persistent attacks pass: put a robust rule behind it.  Choose the bound near the norm of
    honest updates, which shrinks as the model converges.

    Cost: two passes over the updates, O(n d).

    Fields:
        max_norm: the bound on an update's Euclidean norm (M in the paper).
    """

    max_norm: PositiveFloat = 1.0

    def transform(self, updates: Tensor, state: State, info: RoundInfo) -> Transformed:
        factors = rows.clip_factors(updates, self.max_norm)
        return Transformed(updates * factors[:, None], state, factors=factors)
