"""Gradient clipping.

Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
https://arxiv.org/abs/1211.5063, algorithm 1.
"""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.behavior import Behavior, Draws, Memory
from fedrobust.core.task import Batch

__all__ = ["GradientClipping"]


class GradientClipping(Behavior):
    """Scale down the direction of a local step if it is longer than a bound.

    Keeps single steep batches from throwing a client's model off, and so bounds what an honest
    client sends: its update is no longer than steps times learning rate times the bound, divided
    by 1 - momentum if it trains with momentum.  That makes a bound on the server easier to choose
    (`norm_clipping`), but binds no attacker.  Where the bound is below most gradients, clients take
    steps of one length, and a smaller learning rate is the honest way to say so.

    It clips the gradient of a batch, weight decay included.  For privacy that is no use, because
    one example can still decide the direction: `dp_sgd` clips each example's gradient.

    Cost: two passes over the gradient a step.

    Fields:
        max_norm: the bound on a direction's Euclidean norm (the threshold in the paper).
    """

    max_norm: PositiveFloat = 1.0

    def step(
        self, direction: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Tensor, Memory]:
        length = torch.linalg.vector_norm(direction, dtype=torch.float64)
        factor = (self.max_norm / length).clamp(max=1.0)  # infinite at zero, and clamped
        return direction * factor.to(direction.dtype), memory
