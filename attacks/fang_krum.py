"""The attack on Krum.

Fang, Cao, Jia and Gong, "Local Model Poisoning Attacks to Byzantine-Robust Federated Learning",
USENIX Security 2020, https://arxiv.org/abs/1911.11815.
"""

from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust import kernels
from fedrobust.core import pairwise, rows
from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["FangKrum"]


class FangKrum(Attack):
    """Send copies of a step against the honest direction, as long as Krum still chooses it.

    The step is -lambda times the signs of the benign mean.  Lambda starts beyond what Krum accepts
    and is halved until Krum, played on the updates that the adversary knows, chooses the step.
    Copies are each other's nearest neighbors, so `krum` then learns nothing, or the opposite.  It
    works where honest updates are noisier than they are long; where they agree, lambda runs into
    its threshold and the clients send next to nothing.  Rules that average many updates lose much
    less.

    An adversary that is not omniscient takes its own clients' updates for the honest ones, and one
    crafted update for all, or two and so on until Krum chooses it.  Distances are squared where
    Krum is played, as its authors have them, and not where lambda starts, as in this paper.
    Parameters that no benign update changes are left alone, and d is how many are not.
    Supporters are exact copies, where the paper also has them close by.

    Fields:
        threshold: the lambda below which it gives up.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    threshold: PositiveFloat = 1e-5

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        benign, m = view.benign, len(view.own)
        signs = benign.mean(dim=0, dtype=torch.float64).sign()
        known = _Known(benign, signs)
        step = 0.0
        for copies in range(1 if benign is view.own else m, m + 1):
            step = known.start(copies)
            while step >= self.threshold and not known.chosen(step, copies):
                step /= 2
            if step >= self.threshold:
                break
        return (-step * signs).to(view.own).expand_as(view.own), state


class _Known:
    """What the adversary knows of Krum's distances, in which only the crafted step varies."""

    def __init__(self, benign: Tensor, signs: Tensor) -> None:
        self.squares = rows.squared_distances(benign)
        self.lengths = rows.norms(benign)
        self.along = kernels.products(benign, signs.to(benign))
        self.size = max(1.0, signs.square().sum().item())
        self.neighbors = max(1, len(benign) - 2)  # n - f - 2, the rest being crafted

    def start(self, copies: int) -> float:
        """Return the lambda to begin with."""
        h = len(self.squares)
        nearest = pairwise.nearest_sums(self.squares.sqrt())[:, min(self.neighbors, h - 1)]
        crowd = nearest.min() / max(1, h - copies - 1)  # n - 2f - 1
        return float((crowd + self.lengths.max()) / self.size**0.5)

    def chosen(self, step: float, copies: int) -> bool:
        """Say whether Krum chooses one of the copies, which come first where scores are equal."""
        away = self.lengths.square() + 2 * step * self.along + step**2 * self.size
        crafted = away.clamp(min=0.0).expand(copies, -1)
        alike = self.squares.new_zeros(copies, copies)
        squares = torch.cat(
            [torch.cat([alike, crafted], 1), torch.cat([crafted.T, self.squares], 1)]
        )
        scores = pairwise.nearest_sums(squares)[:, min(self.neighbors, len(squares) - 1)]
        return bool(scores.argmin() < copies)
