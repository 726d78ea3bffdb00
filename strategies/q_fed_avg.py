"""q-FedAvg: fair resource allocation (q-FFL).

Li, Sanjabi, Beirami and Smith, "Fair Resource Allocation in Federated Learning", ICLR 2020,
https://arxiv.org/abs/1905.10497, Algorithm 2.
"""

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo, State

__all__ = ["QFedAvg"]

_LEAST = 1e-10  # of a loss, beside the largest: the authors' code adds as much


class QFedAvg(Aggregator):
    """Let clients count the more, the worse the model still serves them.

    It descends the sum of the clients' losses to the power q + 1, so that accuracy is more even
    across clients: fairness of outcomes, not of rewards as in `reputation`.  q = 0 is the mean;
    the larger q, the more the worst-off decide, and the shorter the steps.

    No robustness at all: losses are what clients claim.  Whoever says that it loses most, counts
    most (`loss_inflation`); so do clients whose data are wrong, who really lose much.  Whatever the
    rule, the server counts no claim beyond a hundred times the round's median, or below a hundredth
    of it.  Clients of other Flower apps have to say what they lose before they train, not while.

    The weights of a round add up to less than 1, because a step has to be shorter where the loss
    to the power q + 1 bends more than the loss itself: for updates u and losses F, client k weighs
    F_k^q / sum_j (F_j^q + q F_j^(q-1) |u_j|^2 / lr).

    Cost: one pass over the updates for their lengths and one for their sum, O(n d); each client
    evaluates the model on its own examples before it trains.

    Fields:
        q: how much fairness counts; 0 for none.  The authors use 0.1 to 5.
        lr: the learning rate of clients (1 / L), which says how much of a step a length is; the
            same in all rounds, whatever `training.lr_decay` makes of theirs.
    """

    q: NonNegativeFloat = 1.0
    lr: PositiveFloat = 0.1

    @property
    def needs_losses(self) -> bool:
        return True

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        losses = info.require_losses(self).to(updates.device)
        largest = losses.max()
        if largest <= 0:  # nobody loses anything, so that nobody is worse off
            losses, largest = torch.ones_like(losses), losses.new_ones(())
        shares = (losses / largest).clamp(min=_LEAST)
        powers = shares**self.q
        bends = self.q / largest * shares ** (self.q - 1) * rows.norms(updates).square() / self.lr
        weights = (powers / (powers + bends).sum()).to(updates)
        return Aggregate(weights @ updates, state, weights)
