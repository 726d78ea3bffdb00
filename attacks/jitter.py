"""Jitter: colluders who send the same add noise to it.

Noise that adds up to zero over the colluders is from Fung, Yoon and Beschastnikh, "The Limitations
of Federated Learning in Sybil Settings", RAID 2020, https://arxiv.org/abs/1808.04866, who try it
against their FoolsGold.
"""

from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["Jitter"]


class Jitter(Attack):
    """Add independent noise to what would be sent, so that no two colluders send the same.

    A disguise: write it after an attack whose clients all send one update, such as `ipm`.  The
    default is too little for anything but a check for equal updates: `foolsgold`, which looks for
    clients who push the same way, still gives the colluders nothing.  Noise three times as long as
    the update hides them; then they look less alike than honest clients do, and `foolsgold` gives
    them most of the weight.  What tells by length or distance (`krum`, `norm_clipping`) sees them
    all the better, and multi-Krum, which copies deceive, leaves them out.

    Noise that adds up to zero costs nothing where updates are averaged: the mean is what it would
    be without.  Fung et al. add and subtract the same noise in pairs; here each colluder's is drawn
    by itself and their mean is taken off, which for two is the same.  One alone has nothing to
    balance it with, and sends what it would.

    Fields:
        size: how long the noise is, in lengths of the update; float32 rounds off what is below
            1e-7.
        balanced: whether it adds up to zero over the colluders.
    """

    composes: ClassVar[bool] = True
    default_knowledge: ClassVar[Knowledge] = Knowledge.COLLUDING

    size: PositiveFloat = 1e-6
    balanced: bool = False

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        m, d = view.own.shape
        noise = torch.randn(m, d, generator=view.generator).to(view.own)
        lengths = self.size * rows.norms(view.own)
        if self.balanced:
            noise = noise - noise.mean(dim=0)
            lengths = (lengths.mean() * (m / max(1, m - 1)) ** 0.5).expand(m)  # the mean took some
        sent = view.own + (lengths / d**0.5)[:, None] * noise
        return sent.to(view.own).nan_to_num(), state  # the largest number, if not finite
