"""Mimic.

Karimireddy, He and Jaggi, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing",
ICLR 2022, https://arxiv.org/abs/2006.09365.
"""

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["Mimic"]

_COLUMNS = 1 << 13  # converted to float64 at a time

_log = logging.getLogger(__name__)


class Mimic(Attack):
    """Send what one honest client sends, all of them, so that it counts too much.

    Where clients differ by their data, rules that trust the densest group or the middle
    (`krum`, `coordinate_median`) then learn that client's data only.  No test for outliers can
    tell: each update is honest, as far as it goes.  It does little where clients are alike.
    `nearest_neighbor_mixing` weakens it, and before `krum` so does `bucketing`.

    The client is the one farthest along the direction in which honest updates vary most, which is
    followed by Oja's rule over the first rounds, the paper's, and then kept.  If it is absent,
    they send the update of whoever then is the farthest; if the adversary cannot see honest
    clients, they copy one of its own, told apart by its place among those of the round.  A client
    that you name has to be one it sees and does not control; where it is not, the attack says so
    once, and copies the farthest.

    Fields:
        warmup: for how many rounds to look for the client.
        client: the id of the client to copy, chosen beforehand; None to look for one.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    warmup: PositiveInt = 1
    client: NonNegativeInt | None = None

    def init(self, params: Tensor) -> State:
        nothing = torch.zeros_like(params, dtype=torch.float64)
        start = {"center": nothing, "direction": nothing, "client": self.client}
        return {**start, "seen": 0, "told": False}  # whether it has said that its client is absent

    @property
    def least_knowledge(self) -> Knowledge:
        return Knowledge.COLLUDING

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        shown, who = view.honest, view.honest_clients
        if shown is None or who is None or not len(shown):
            shown, who = view.own, -1 - torch.arange(len(view.own))  # ids that nobody has
        state = self._followed(shown, state, view.generator)
        farthest = int(_along(shown, state["center"], state["direction"]).argmax())
        client = state["client"]
        if client is None or (self.client is None and state["seen"] <= self.warmup):
            client = int(who[farthest])
        there = (who == client).nonzero()
        if self.client is not None and not len(there) and not state["told"]:
            _log.warning(
                "Mimic sees no honest client %d in round %d, and copies another one while that is "
                "so. Name a client that it does not control, and let its knowledge be omniscient.",
                *(client, view.round),
            )
            state = {**state, "told": True}
        place = int(there[0, 0]) if len(there) else farthest
        return shown[place].expand_as(view.own), {**state, "client": client}

    def _followed(self, honest: Tensor, state: dict[str, Any], g: torch.Generator) -> State:
        """Return the state after a round's step towards the main direction."""
        seen, direction = state["seen"], state["direction"]
        if seen >= self.warmup:
            return {**state, "seen": seen + 1}
        old = seen / (1 + seen)
        center = old * state["center"] + (1 - old) * honest.mean(dim=0, dtype=torch.float64)
        start = direction
        if not direction.any():
            start = torch.randn(center.shape, generator=g).to(center)
        along = _unit(_along(honest, center, start))
        turned = torch.cat([along @ block for block in _centered(honest, center)])
        direction = _unit(old * direction + (1 - old) * _unit(turned))
        return {**state, "seen": seen + 1, "center": center, "direction": direction}


def _parts(rows: Tensor) -> tuple[Tensor, ...]:
    """Return some columns at a time."""
    return torch.split(rows, _COLUMNS, dim=-1)


def _centered(rows: Tensor, center: Tensor) -> Iterator[Tensor]:
    """Yield rows less a point, some columns at a time, in float64."""
    for block, middle in zip(_parts(rows), _parts(center), strict=True):
        yield block.double() - middle


def _along(rows: Tensor, center: Tensor, direction: Tensor) -> Tensor:
    """Return how far each row is from a point in a direction, ``[h]``, in float64."""
    parts = zip(_centered(rows, center), _parts(direction), strict=True)
    return torch.stack([block @ part for block, part in parts]).sum(dim=0)


def _unit(vector: Tensor) -> Tensor:
    """Return a vector with the length one; zero if it is zero."""
    length = vector.norm()
    return vector / length if length > 0 else vector
