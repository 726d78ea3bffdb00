"""The smallest attack, the smallest client-side defense and the smallest fault."""

import torch

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Behavior
from fedrobust.core.mishap import Fate, Mishap, Outcome


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


class Doom(Mishap):
    """Let a fate befall some clients."""

    clients: tuple[int, ...] = (3,)
    reason: str = "fell off a cliff"
    copies: int = 0
    value: float | None = None  # everywhere in what arrives

    def befall(self, transit, state):
        def arriving(update):
            return None if self.value is None else torch.full_like(update, self.value)

        hit = {c: row for c, row in transit.updates.items() if c in self.clients}
        return Outcome({c: Fate(self.reason, self.copies, arriving(r)) for c, r in hit.items()})
