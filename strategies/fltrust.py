"""FLTrust.

Cao, Fang, Liu and Gong, "FLTrust: Byzantine-robust Federated Learning via Trust Bootstrapping",
NDSS 2021, https://arxiv.org/abs/2012.13995, Algorithm 2.
"""

from typing import ClassVar

from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo, State

__all__ = ["FLTrust"]

_LARGEST = 1e30  # coefficient: float32 holds it


class FLTrust(Aggregator):
    """Average the updates by how well they agree with one that the server trained itself.

    An update is trusted by the cosine of its angle to the server's, not at all beyond a right
    angle, and scaled to the length of the server's before it counts.  So even a majority of
    attackers cannot make the result longer than that, nor turn it against it.  It is as good as
    the server's examples: what few of them show is not learned, however many clients say it, and
    attackers who know the server's update choose within its half space.

    If no update is trusted, the result is the server's own update, as if the server were the only
    client: the paper leaves that open.

    Scores are the trust.  A weight is an update's share of all trust, which is how much it
    contributes once all have the same length: however short an update is, the factor that makes it
    as long as the server's does not count.

    Cost: a few passes over the updates, O(n d), and the training of one more client.
    """

    scores_trust: ClassVar[bool] = True

    @property
    def needs_root(self) -> bool:
        return True

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        guide = info.require_root(self).update
        trust = rows.cosines(updates, guide).clamp(min=0.0)
        if not trust.any():
            return Aggregate(guide, state, trust.to(updates.dtype), trust)
        shares = trust / trust.sum()
        factors = rows.norms(guide[None]) / rows.norms(updates)
        coefficients = (shares * factors).nan_to_num(nan=0.0)  # zeros are not trusted
        update = coefficients.clamp(max=_LARGEST).to(updates.dtype) @ updates
        return Aggregate(update, state, shares.to(updates.dtype), trust)
