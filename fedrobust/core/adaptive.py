"""A server that gives every parameter a learning rate of its own."""

from abc import abstractmethod

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fedrobust.core.aggregator import PostAggregator, RoundInfo

__all__ = ["Adaptive"]

Moments = tuple[Tensor, Tensor]  # [d] float64 each: running mean of updates, and of their squares


class Adaptive(PostAggregator):
    """Algorithm 2 of "Adaptive Federated Optimization", but for the line that makes v.

    What it remembers is float64: the square of a large update overflows float32, and a small one
    is lost in the sum of the squares before it.

    Fields:
        lr: the learning rate of the server (eta in the paper).
        beta1: how much of the running mean of updates to keep (beta_1).
        tau: what is added to the root, and the root to start from (tau).
    """

    lr: PositiveFloat = 0.03
    beta1: float = Field(0.9, ge=0, lt=1)
    tau: PositiveFloat = 1e-3

    @abstractmethod
    def second(self, v: Tensor, squares: Tensor) -> Tensor:
        """Return the new v, given the last one and the squares of this round's update."""

    def init(self, params: Tensor) -> Moments:
        zero = torch.zeros_like(params, dtype=torch.float64)
        return zero, zero + self.tau**2

    def transform(self, update: Tensor, state: Moments, info: RoundInfo) -> tuple[Tensor, Moments]:
        delta, (m, v) = update.double(), state
        m = self.beta1 * m + (1 - self.beta1) * delta
        v = self.second(v, delta.square())
        step = self.lr * m / (v.sqrt() + self.tau)
        return step.to(update.dtype), (m, v)
