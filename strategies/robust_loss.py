"""A loss that withstands wrong labels.

Ma, Huang, Wang, Romano, Erfani and Bailey, "Normalized Loss Functions for Deep Learning with Noisy
Labels", ICML 2020, https://arxiv.org/abs/2006.13554: NCE + RCE, one of its active passive losses.
"""

from pydantic import Field, NonNegativeFloat
from torch import Tensor

from fedrobust.core.behavior import Behavior, Criterion
from fedrobust.core.task import Batch, mean_weights

__all__ = ["RobustLoss"]


class RobustLoss(Behavior):
    """Train honest clients by a loss that a wrong label can raise only so far.

    With p the probabilities that the model gives the classes, and y the label, an example's loss is

        active (log p_y / sum_k log p_k) + passive (-floor) (1 - p_y).

    Both terms add up to a constant over all labels, so labels that are wrong at random, each class
    as likely as another, shift the loss but not where it is least.  That holds for what is averaged
    before the model has moved far: wrong labels among right ones on each client, or clients that
    take a step or two a round.  Clients whose labels are all wrong fit them if they train long by
    themselves, and then this can be worse than cross-entropy.  Attackers need not use it: the
    gradients of cross-entropy are larger, and outweigh some of what it gains.  It promises little
    against one class that is always mistaken for another, and learns more slowly, the more so the
    more classes there are.

    In the paper log 0 is -4; its authors' code has log 0.0001, about -9.2.  Only the product with
    `passive` matters.

    Cost: nothing to speak of.

    Fields:
        active: the weight of the normalized cross-entropy (alpha in the paper).
        passive: the weight of the reverse cross-entropy (beta); for 100 classes
            the authors weigh 10 to 0.1.
        floor: what log 0 counts as (A in the paper).
    """

    active: NonNegativeFloat = 1.0
    passive: NonNegativeFloat = 1.0
    floor: float = Field(-4.0, lt=0)

    def criterion(self, criterion: Criterion) -> Criterion:
        def robust(logits: Tensor, batch: Batch) -> Tensor:
            log_p = logits.log_softmax(dim=1)
            log_p_y = log_p.gather(1, batch.y[:, None])[:, 0]
            normalized = log_p_y / log_p.sum(dim=1)
            reverse = -self.floor * (1 - log_p_y.exp())
            each = self.active * normalized + self.passive * reverse
            return mean_weights(batch.w[None])[0] @ each

        return robust
