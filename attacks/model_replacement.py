"""Model replacement, and train-and-scale.

Bagdasaryan, Veit, Hua, Estrin and Shmatikov, "How To Backdoor Federated Learning", AISTATS 2020,
https://arxiv.org/abs/1807.00459.
"""

from typing import ClassVar

from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.adversary import Attack, View
from fedrobust.core.aggregator import State

__all__ = ["ModelReplacement"]


class ModelReplacement(Attack):
    """Multiply what would be sent, so that the mean of all clients becomes the attacker's model.

    An amplifier: write it after the attack that makes the model, such as `patch_backdoor`.  A
    single client in a single round puts a backdoor into the `mean` that way, and honest training
    wears it off over the next ones; the longer it trained, the more of it stays and the less
    accuracy drops.  Early on, before honest updates have become short, the model is as bad as one
    client's for a round.  Whatever bounds lengths (`norm_clipping`) makes it as weak as without,
    and what leaves out the far away (`krum`, `coordinate_median`) stops it.

    `rescaling` multiplies by a number that does not depend on the federation, or by random ones.
    Here the factor is n / (eta m), with m of the n clients of a round controlled: together they
    replace the mean, whether one of them is sampled or five.  It is right for the plain mean;
    where examples weigh (`weighted_mean`), give the factor.

    The paper's train-and-scale is `max_norm`: gamma = S / |u| with a bound S that the server is
    known to check.  Ours never goes beyond the factor, because there is nothing to win beyond the
    model's place; the paper's does, and a huge factor makes ours the same.

    Fields:
        factor: what to multiply by (gamma in the paper); None for n / (eta m).
        max_norm: the length up to which to scale, and to which to shrink what is longer (S in the
            paper); None for any.
        server_lr: by how much the server multiplies the mean (eta in the paper); for the default
            factor only.
    """

    composes: ClassVar[bool] = True

    factor: PositiveFloat | None = None
    max_norm: PositiveFloat | None = None
    server_lr: PositiveFloat = 1.0

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        factor = self.factor or view.num_clients / (self.server_lr * view.num_controlled)
        if self.max_norm is None:
            return (factor * view.own).nan_to_num(), state  # the largest number, if not finite
        factors = (self.max_norm / rows.norms(view.own)).clamp(max=factor)
        return (factors[:, None] * view.own).to(view.own).nan_to_num(), state
