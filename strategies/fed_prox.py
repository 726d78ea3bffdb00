"""FedProx.

Li, Sahu, Zaheer, Sanjabi, Talwalkar and Smith, "Federated Optimization in Heterogeneous Networks",
MLSys 2020, https://arxiv.org/abs/1812.06127, algorithm 2.
"""

from pydantic import NonNegativeFloat
from torch import Tensor

from fedrobust.core.behavior import Behavior, Loss
from fedrobust.core.task import Batch

__all__ = ["FedProx"]


class FedProx(Behavior):
    """Pull local training towards the model it started from.

    Clients who train long on data of their own drift apart; with mu / 2 |w - w_t|^2 added to the
    loss they stay closer to the global model w_t, and their updates closer together.  The price is
    shorter updates: a round teaches the model less, the more so the larger mu.  It is no defense
    against attackers.

    In a client's first step of a round it does nothing, in few steps little.  The learning rate
    times mu has to stay below 2, or training diverges.

    The paper also lets slow clients do less work; here all do what the training says.

    Cost: one pass over the parameters a step; the loss is no longer of the outputs alone, so
    clients are not stacked.

    Fields:
        mu: how strong the pull is (mu in the paper, which tries 0.001 to 1); 0 for none.
    """

    mu: NonNegativeFloat = 0.1

    def loss(self, loss: Loss, anchor: Tensor) -> Loss:
        def pulled(params: Tensor, batch: Batch) -> Tensor:
            return loss(params, batch) + self.mu / 2 * (params - anchor).square().sum()

        return pulled
