"""Derivatives of losses with respect to what the layers of a stacked model return."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vmap

from fedrobust.core.behavior import Criterion
from fedrobust.core.task import Batch, cross_entropy_slopes, mean_weights
from fedrobust.core.trainers.frame import Layer

__all__ = ["Slope", "slopes_of_each", "slopes_of_mean"]


class Slope(NamedTuple):
    """All that a layer's gradients can be made of."""

    layer: Layer
    x: Tensor  # what the layer was given
    dy: Tensor  # the derivative of the loss with respect to what it returned

    def gradients(self) -> list[Tensor]:
        """Return the gradient of each of the layer's parameters, ``[m, *shape]``."""
        return self.layer.gradients(self.x, self.dy)


def slopes_of_mean(logits: Tensor, batch: Batch, criterion: Criterion | None) -> Tensor:
    """Differentiate each client's loss with respect to its logits ``[m, b, C]``."""
    if criterion is None:
        return cross_entropy_slopes(logits, batch.y, mean_weights(batch.w))
    slopes: Tensor = vmap(grad(criterion))(logits, batch)
    return slopes


def slopes_of_each(logits: Tensor, batch: Batch, criterion: Criterion | None) -> Tensor:
    """Differentiate the loss of each example by itself with respect to its logits."""
    alone = Batch(*(part.flatten(0, 1)[:, None] for part in batch))  # batches of one
    alone = alone._replace(w=torch.ones_like(alone.w))
    return slopes_of_mean(logits.flatten(0, 1)[:, None], alone, criterion).view(logits.shape)
