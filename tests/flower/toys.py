"""The smallest attack and the smallest client-side defense."""

import torch

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Behavior


class Reverse(Attack):
    """Send minus three times what the client has learned."""

    def craft(self, view, state):
        return -3 * view.own, state


class Momentum(Behavior):
    """Descend along a running mean of gradients."""

    def remember(self, params):
        return {"mean": torch.zeros_like(params)}

    def step(self, direction, batch, memory, draws):
        mean = 0.9 * memory["mean"] + 0.1 * direction
        return mean, {"mean": mean}


class Broken(Attack):
    """Send no numbers."""

    def craft(self, view, state):
        return torch.full_like(view.own, float("nan")), state
