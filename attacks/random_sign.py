"""Random signs.

The sign-randomizing adversary of Xu and Lyu, "A Reputation Mechanism Is All You Need:
Collaborative Fairness and Adversarial Robustness in Federated Learning", 2020,
https://arxiv.org/abs/2011.10464.
"""

import torch
from torch import Tensor

from fedrobust.core.adversary import Attack, View
from fedrobust.core.aggregator import State

__all__ = ["RandomSign"]


class RandomSign(Attack):
    """Send the honest update with a random sign in each coordinate.

    Each update is as long as an honest one, so no bound on lengths notices; its direction says
    nothing.  The mean loses the share of these clients and gains a little noise;
    `coordinate_median` loses more, as half of them are on the wrong side in each coordinate.  Rules
    that compare distances or directions find it as far as honest clients agree.
    """

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        coins = torch.randint(2, view.own.shape, generator=view.generator).to(view.own)
        return (2 * coins - 1) * view.own, state
