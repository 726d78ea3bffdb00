"""Constrain-and-scale.

Bagdasaryan, Veit, Hua, Estrin and Shmatikov, "How To Backdoor Federated Learning", AISTATS 2020,
https://arxiv.org/abs/1807.00459.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, View
from fedrobust.core.aggregator import State
from fedrobust.core.behavior import Loss
from fedrobust.core.task import Batch

__all__ = ["ConstrainAndScale"]

_SHORT = 1e-12  # the length below which a model has no direction


class ConstrainAndScale(Attack):
    """Stay near the received model: minimize alpha L + (1 - alpha) distance, then multiply.

    A disguise: write it after a backdoor, which makes updates longer than honest ones.  Pulled back
    they pass rules that compare distances (`krum` that keeps many), which leave out the backdoor
    without it.  The price is a backdoor that is learned in many rounds instead of a few, and one
    that is gone sooner, so a rule that lets the backdoor through anyway (`mean`) fares better with
    it.  `coordinate_median` withstands both.

    The balance has to be found: on the digits, where a patch is left out with alpha = 0.6, it is in
    with 0.5 or 0.4, and with 0.3 hardly anything of it is learned.  The right one depends on how
    steep the loss is.

    The paper adds whatever a detector may look at, such as a distance between models; ours is the
    Euclidean one by default, because that is what rules here compare.  It is the distance and not
    its square, so the pull is as strong near by as far away.  The cosine is that between the
    models, not the updates, and so close to 1 that its pull is weak: try an alpha of 0.1.

    The factor is for scaling afterwards; `model_replacement` works it out.

    Cost: one pass over the parameters a step; clients are not stacked.

    Fields:
        alpha: how much the examples count (alpha in the paper); 1 for no constraint.
        metric: the "euclidean" distance between the models, or "cosine" for 1 - cos between them.
        factor: what to multiply the update by (gamma in the paper).
    """

    composes: ClassVar[bool] = True

    alpha: float = Field(0.5, gt=0, le=1)
    metric: Literal["euclidean", "cosine"] = "euclidean"
    factor: PositiveFloat = 1.0

    def loss(self, loss: Loss, anchor: Tensor) -> Loss:
        def constrained(params: Tensor, batch: Batch) -> Tensor:
            distance = self._distance(params, anchor)
            return self.alpha * loss(params, batch) + (1 - self.alpha) * distance

        return constrained

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        return (self.factor * view.own).nan_to_num(), state  # the largest number, if not finite

    def _distance(self, params: Tensor, anchor: Tensor) -> Tensor:
        if self.metric == "euclidean":
            return _length(params - anchor)
        # half the squared distance of the unit vectors: nothing cancels out where they are near
        return (_unit(params) - _unit(anchor)).square().sum() / 2


def _length(vector: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vector)  # torch takes its slope at zero for zero
    return length


def _unit(vector: Tensor) -> Tensor:
    return vector / _length(vector).clamp(min=_SHORT)
