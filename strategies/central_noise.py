"""Noise of the server: differential privacy of whole clients.

McMahan, Ramage, Talwar and Zhang, "Learning Differentially Private Recurrent Language Models",
ICLR 2018, https://arxiv.org/abs/1710.06963, algorithm 1.  With little noise, the "weak
differential privacy" of Sun, Kairouz, Suresh and McMahan, "Can You Really Backdoor Federated
Learning?", 2019, https://arxiv.org/abs/1911.07963.
"""

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import PostAggregator, RoundInfo, State

__all__ = ["CentralNoise"]


class CentralNoise(PostAggregator):
    """Clip the aggregate, and add Gaussian noise as large as what one client can do to a mean.

    Hides from those who see the model, not from the server, whether a client took part: behind
    `norm_clipping` with the same `max_norm` and the rule `mean`, taking one client's share away
    moves the aggregate by at most max_norm / n, and the noise on each coordinate has
    `noise_multiplier` times that as its deviation.  Behind another rule, or a step that mixes
    updates, a client can move the aggregate farther than that, and nothing is promised.  The noise
    is in the way of learning, the more so the more parameters and the fewer clients there are.
    Sun et al. use a little of it against backdoors: on the digits what cost no accuracy did nothing
    against one, and what took it away took a fifth or more of the accuracy.

    It says nothing about the privacy budget (epsilon, delta) that a run spends.  n is how many
    updates the rule saw, and counts as public; the paper divides by how many it expects.  Frozen
    parameters get noise too: with nothing to bring them back, they walk at random, after t rounds
    sqrt(t) times as far as in one.  The noise is good for simulation, not for secrets.

    Cost: d random numbers a round.

    Fields:
        max_norm: the bound on the norm of each update, and of their mean (S in the paper).
        noise_multiplier: the deviation of the noise, in units of max_norm / n (z).
    """

    max_norm: PositiveFloat = 1.0
    noise_multiplier: NonNegativeFloat = 1.0

    def transform(self, update: Tensor, state: State, info: RoundInfo) -> tuple[Tensor, State]:
        clipped = rows.clip(update[None], self.max_norm)[0]
        noise = torch.randn(update.shape, generator=info.generator)
        scale = self.noise_multiplier * self.max_norm / len(info.clients)
        return clipped + scale * noise.to(clipped), state
