"""FedYogi.

Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar and McMahan, "Adaptive Federated
Optimization", ICLR 2021, https://arxiv.org/abs/2003.00295, algorithm 2.
"""

from pydantic import Field
from torch import Tensor

from fedrobust.core.adaptive import Adaptive

__all__ = ["FedYogi"]


class FedYogi(Adaptive):
    """Take Yogi's step on the server: like `fed_adam`, but steps lengthen only slowly.

    With u what the rule returned, each parameter has m = beta1 m + (1 - beta1) u and
    v = v - (1 - beta2) u^2 sign(v - u^2), and moves by lr m / (sqrt(v) + tau).  Adam forgets
    large updates exponentially, and then its steps get long again; here v shrinks by no more than
    the square of what came since, which helps where a parameter is rarely touched.  It is no
    defense, and one huge u stops the model for good: put `norm_clipping` or a robust rule before
    it.

    As in the paper, v starts from tau^2, and nothing corrects for the first rounds; in Flower's
    `FedYogi` v starts from 0.

    Cost: two more vectors ``[d]`` of float64, kept between rounds.

    Fields:
        lr: the learning rate of the server: how far a parameter moves in a round (eta).
        beta1: how much of the running mean of updates to keep (beta_1).
        beta2: the closer to 1, the slower v follows the squares of updates (beta_2).
        tau: the root of v to start from; below it, small updates stay small.
    """

    beta2: float = Field(0.99, ge=0, lt=1)

    def second(self, v: Tensor, squares: Tensor) -> Tensor:
        return v - (1 - self.beta2) * squares * (v - squares).sign()
