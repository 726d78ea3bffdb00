"""Adaptive robust clipping (ARC).

Allouah, Guerraoui, Gupta, Jellouli, Rizk and Stephan, "Adaptive Gradient Clipping for Robust
Federated Learning", ICLR 2025, https://arxiv.org/abs/2405.14432; its first version was called
"Boosting Robustness by Clipping Gradients in Distributed Learning".
"""

from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Bounded, PreAggregator, RoundInfo, State, Transformed

__all__ = ["AdaptiveRobustClipping"]


class AdaptiveRobustClipping(Bounded, PreAggregator):
    """Scale down the longest updates, 2f (n - f) / n of them, to the length of the next longest.

    Does what `norm_clipping` does, without a bound to choose: the bound follows the updates as they
    shrink during training, and is never above the longest honest one.  It takes their length from
    attacks that need it, and is no defense by itself: the rule behind it still has to withstand f
    of n.  At least f honest updates are clipped if nobody attacks, which biases the result where
    clients with long updates have something else to say.

    It costs a rule little of what is proven about it: of a constant kappa it makes at most
    kappa + 2f / (n - 2f).  The number to clip is rounded down.  Put it before
    `nearest_neighbor_mixing`, if that is used too.

    Cost: two passes over the updates, O(n d).

    Fields:
        num_malicious: how many malicious updates a round may hold (f); None for as many as the
            server expects.
    """

    def kappa(self, n: int, f: int, behind: float) -> float | None:
        return behind + 2 * f / (n - 2 * f) if n > 2 * f else None

    def transform(self, updates: Tensor, state: State, info: RoundInfo) -> Transformed:
        n, f = len(updates), self.malicious_among(len(updates), info)
        longest = rows.norms(updates).sort(descending=True).values
        next_longest = longest[2 * f * (n - f) // n].item()
        factors = rows.clip_factors(updates, next_longest)
        return Transformed(updates * factors[:, None], state, factors=factors)
