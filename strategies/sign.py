"""Signs of updates, as clients of signSGD send them.

Bernstein, Wang, Azizzadenesheli and Anandkumar, "signSGD: Compressed Optimisation for Non-Convex
Problems", ICML 2018, https://arxiv.org/abs/1802.04434.
"""

from math import sqrt
from typing import Literal

from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import PreAggregator, RoundInfo, State, Transformed

__all__ = ["Sign"]


class Sign(PreAggregator):
    """Replace every coordinate of an update by its sign, times a size that is the same for all.

    Behind it a rule sees votes: a client says which way a coordinate should move and cannot say how
    far, so that no length gains it anything.  The mean of votes moves a coordinate the farther the
    more clients agree; `sign_majority` only counts who is ahead.  A malicious minority that votes
    as one still decides where honest clients are split, as they are where their data differ.  What
    only sizes tell is lost: a coordinate of noise moves as far as one that matters.

    The paper's size is the learning rate, a number to tune along with the model.  Unless you choose
    one, it follows the updates: votes are as long as the update of median length, which is between
    two honest lengths as long as honest clients are a majority.  Zero stays zero, an abstention.

    Cost: two passes over the updates, O(n d).

    Fields:
        scale: the size of a coordinate (delta in the paper), in the units of an update; "median"
            for the median length divided by the square root of d.
    """

    scale: PositiveFloat | Literal["median"] = "median"

    def transform(self, updates: Tensor, state: State, info: RoundInfo) -> Transformed:
        scale = self.scale
        if scale == "median":
            scale = rows.norms(updates).quantile(0.5).item() / sqrt(updates.shape[1])
        return Transformed(updates.sign() * scale, state)
