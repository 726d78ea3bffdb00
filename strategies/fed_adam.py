"""FedAdam.

Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar and McMahan, "Adaptive Federated
Optimization", ICLR 2021, https://arxiv.org/abs/2003.00295, algorithm 2.
"""

from pydantic import Field
from torch import Tensor

from fedrobust.core.adaptive import Adaptive

__all__ = ["FedAdam"]


class FedAdam(Adaptive):
    """Take Adam's step on the server: divide what rounds agree on by how far each parameter moves.

    With u what the rule returned, each parameter has m = beta1 m + (1 - beta1) u and
    v = beta2 v + (1 - beta2) u^2, and moves by lr m / (sqrt(v) + tau).  Learns faster where
    parameters have gradients of very different size.  However large u is, with the default betas
    no parameter moves by more than 2.4 lr in a round.  It is no defense: the sign of u decides,
    so what an attacker gets through the rule counts in full.  One huge u makes v so large that
    hardly anything moves for hundreds of rounds: put `norm_clipping` or a robust rule before it.

    As in the paper, v starts from tau^2 and nothing corrects for the first rounds, unlike
    Kingma and Ba's Adam and Flower's `FedAdam`, whose v starts from 0.

    Cost: two more vectors ``[d]`` of float64, kept between rounds.

    Fields:
        lr: the learning rate of the server: how far a parameter moves in a round (eta).
        beta1: how much of the running mean of updates to keep (beta_1).
        beta2: how much of the running mean of their squares to keep (beta_2).
        tau: the root of v to start from; below it, small updates stay small.
    """

    beta2: float = Field(0.99, ge=0, lt=1)

    def second(self, v: Tensor, squares: Tensor) -> Tensor:
        return self.beta2 * v + (1 - self.beta2) * squares
