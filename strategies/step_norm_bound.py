"""A bound on the server's step.

The norm bound of Sun, Kairouz, Suresh and McMahan, "Can You Really Backdoor Federated Learning?",
2019, https://arxiv.org/abs/1911.07963, put on the aggregate instead of on each update.
"""

from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import PostAggregator, RoundInfo, State

__all__ = ["StepNormBound"]


class StepNormBound(PostAggregator):
    """Scale what the rule returned down to a length, if it is longer.

    Whatever the rule does, the model moves by no more than the bound in a round, so a round that
    goes wrong can be made good.  The direction stays as it is: where attackers decide it, the model
    goes their way slowly, and learns little else.  Behind the mean it is a weak defense, because
    one long update still decides the direction: `norm_clipping` bounds each client before they are
    averaged.  Choose the bound near the norm of honest aggregates, which are shorter than updates.

    Cost: two passes over the aggregate, O(d).

    Fields:
        max_norm: the bound on the Euclidean norm of the server's step.
    """

    max_norm: PositiveFloat = 1.0

    def transform(self, update: Tensor, state: State, info: RoundInfo) -> tuple[Tensor, State]:
        return rows.clip(update[None], self.max_norm)[0], state
