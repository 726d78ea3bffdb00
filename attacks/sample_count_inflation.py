"""Lying about how many examples a client has: the weakness of weighting by claims.

Weights by the number of examples are those of McMahan, Moore, Ramage, Hampson and Agüera y Arcas,
"Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017,
https://arxiv.org/abs/1602.05629; the server cannot check them.
"""

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from fedrobust.core.adversary import Attack

__all__ = ["SampleCountInflation"]

_LARGEST = 2**53  # claim: every whole number up to it is exact in float64


class SampleCountInflation(Attack):
    """Claim more examples than there are, and train honestly.

    It adds to other attacks: listed with `sign_flip` it makes the flipped updates count more, and
    with `free_rider` it asks for a reward by quota.  It hurts rules that weight by the claims
    (`weighted_mean` with examples = "claimed"), alone by letting some examples count more.  Rules
    that ignore the claims do not notice, and a cap at the median leaves a liar with what an honest
    client may have.  The server counts no claim beyond a hundred times the round's median.

    Fields:
        factor: how many times as many to claim.
        count: how many to claim, whatever there are; None for `factor` times as many.
    """

    factor: PositiveFloat = 10.0
    count: PositiveInt | None = Field(None, le=_LARGEST)

    def claims(self, examples: Tensor) -> Tensor:
        if self.count is not None:
            return torch.full_like(examples, self.count)
        return (self.factor * examples).clamp(max=_LARGEST)
