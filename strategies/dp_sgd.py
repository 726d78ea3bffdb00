"""Differentially private SGD (DP-SGD) by each client.

Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar and Zhang, "Deep Learning with Differential
Privacy", CCS 2016, https://arxiv.org/abs/1607.00133, algorithm 1.
"""

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from fedrobust.core.behavior import Behavior, Draws, Memory
from fedrobust.core.task import Batch

__all__ = ["DPSGD"]


class DPSGD(Behavior):
    """Clip the gradient of each example, and add Gaussian noise to their mean.

    No example of a client can move its model by more than the noise hides, whatever the server
    and the other clients do with the update.  The noise is in the way of learning, the more so
    the more parameters there are, and in the way of robust rules too: honest updates lie farther
    apart, and attacks have more room between them.  Pair it with `client_momentum`.

    It says nothing about the privacy budget (epsilon, delta) that a run spends, which depends on
    how batches are drawn and how many there are: the paper draws each example independently,
    clients here draw batches of a fixed size.

    Cost: clipping is cheap where the cohort is stacked; else the gradient of each example is
    made, ``[b, d]`` a client.  Drawing d numbers a step takes longer than to train a small model.

    Fields:
        max_norm: the bound on the norm of an example's gradient (C in the paper).
        noise_multiplier: the noise on the sum of a batch, in units of `max_norm` (sigma).
    """

    max_norm: PositiveFloat = 1.0
    noise_multiplier: NonNegativeFloat = 1.0

    @property
    def example_clip(self) -> float:
        return self.max_norm

    def draw(self, params: Tensor, generator: torch.Generator) -> Draws:
        return {"noise": torch.randn(params.shape, generator=generator)}

    def step(
        self, direction: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Tensor, Memory]:
        scale = self.noise_multiplier * self.max_norm / batch.w.sum().clamp(min=1.0)
        return direction + scale * draws["noise"], memory
