"""FoolsGold.

Fung, Yoon and Beschastnikh, "The Limitations of Federated Learning in Sybil Settings", RAID 2020,
https://arxiv.org/abs/1808.04866, Algorithm 1.
"""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo

__all__ = ["FoolsGold"]

_SAME = 1e-13  # how much less than 1 the cosine of equal directions can be, by rounding
_MOST = 0.99  # in place of 1, whose logit is infinite


class FoolsGold(Aggregator):
    """Average the updates, weighing down clients whose updates add up to the same direction.

    Against attackers who are many of the same kind (sybils), of whom there may be more than honest
    clients: over the rounds they push the same way, and honest clients with different data do
    not.  It works only where clients differ.  Where they have the same kind of data it takes all
    of them for sybils, and a single attacker that pushes another way, or anywhere, gets all the
    weight; one attacker, or several who differ, it never stops.  It bounds no lengths, in a round
    or over the rounds: a few long updates (`gaussian_noise`) are the result, and one long update
    fixes the direction its client is known by for good.  `norm_clipping` before it takes away the
    length, but not the trust in what is like nobody else's.

    Similarity is the cosine between sums of all updates that clients have sent so far, over all
    coordinates; the paper would look at the output layer or weigh features.  Clients are known by
    their number, so a step before this rule must not mix them, and only those of the same round
    are compared.

    The paper's formula has no value in two cases.  A client whose updates add up to zero, as a
    free-rider's do, points nowhere; it would be the least similar of all, and counts nothing.  If
    all others are alike, or all add up to zero, nothing tells sybils from honest clients who agree,
    and they count the same.

    Scores are the largest similarity to another client, after pardoning.

    Cost: one vector ``[d]`` for each client ever seen; similarities, O(n^2 d).

    Fields:
        confidence: how steeply weights change with similarity (kappa in the paper).
        normalize: whether to divide by the sum of the weights; if not, the result is a sum as in
            the paper, of updates up to n times as long as one.
    """

    confidence: PositiveFloat = 1.0
    normalize: bool = True

    @property
    def by_client(self) -> bool:
        return True

    def init(self, params: Tensor) -> dict[int, Tensor]:
        return {}

    def aggregate(self, updates: Tensor, state: dict[int, Tensor], info: RoundInfo) -> Aggregate:
        sent = zip(info.clients.tolist(), updates, strict=True)
        sums = {client: state[client] + x if client in state else x.clone() for client, x in sent}
        history = torch.stack(list(sums.values()))
        similarity = _pardoned(_similarities(history)).amax(dim=1)
        moved = rows.norms(history) > 0
        distinct = (1 - similarity) * moved
        if distinct.max() <= _SAME:
            trust = (moved | ~moved.any()).to(distinct)
        else:
            logits = (distinct / distinct.max()).clamp(max=_MOST).logit()
            trust = (self.confidence * (logits + 0.5)).clamp(0.0, 1.0)
        weights = (trust / trust.sum() if self.normalize else trust).to(updates.dtype)
        return Aggregate(weights @ updates, state | sums, weights, similarity)


def _similarities(sums: Tensor) -> Tensor:
    """Return the cosines ``[n, n]`` between rows, in float64; zero with itself or a zero row.

    From the distances between unit rows, which tell how different nearly equal directions are.
    """
    lengths = rows.norms(sums)
    units = (sums / lengths[:, None].to(sums.dtype)).nan_to_num(nan=0.0)
    cosines = 1 - rows.squared_distances(units) / 2
    zero = lengths == 0
    return cosines.masked_fill(zero | zero[:, None], 0.0).fill_diagonal_(0.0)


def _pardoned(cosines: Tensor) -> Tensor:
    """Return similarities that count less to those who are less similar to anyone than it is."""
    most = cosines.amax(dim=1)
    return torch.where(most[:, None] < most, cosines * (most[:, None] / most), cosines)
