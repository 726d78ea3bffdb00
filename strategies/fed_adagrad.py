"""FedAdagrad.

Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar and McMahan, "Adaptive Federated
Optimization", ICLR 2021, https://arxiv.org/abs/2003.00295, algorithm 2.
"""

from pydantic import Field
from torch import Tensor

from fedrobust.core.adaptive import Adaptive

__all__ = ["FedAdagrad"]


class FedAdagrad(Adaptive):
    """Take Adagrad's step on the server: the farther a parameter has come, the less it moves.

    With u what the rule returned, each parameter has m = beta1 m + (1 - beta1) u and v = v + u^2,
    and moves by lr m / (sqrt(v) + tau).  Suits sparse gradients, where most parameters are rarely
    touched.  Without momentum no parameter moves by more than lr in a round, and its steps only
    get shorter: good for converging, too short where the model has far to go.  It is no defense,
    and one huge u stops the model for good: put `norm_clipping` or a robust rule before it.

    As in the paper, v starts from tau^2; in Flower's `FedAdagrad` it starts from 0.  The paper's
    algorithm has beta1 and its experiments set it to 0, as the default here.

    Cost: two more vectors ``[d]`` of float64, kept between rounds.

    Fields:
        lr: the learning rate of the server: how far a parameter moves in the first rounds (eta).
        beta1: how much of the running mean of updates to keep (beta_1).
        tau: the root of v to start from; below it, small updates stay small.
    """

    beta1: float = Field(0.0, ge=0, lt=1)

    def second(self, v: Tensor, squares: Tensor) -> Tensor:
        return v + squares
