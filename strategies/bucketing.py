"""Bucketing.

Karimireddy, He and Jaggi, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing",
ICLR 2022, https://arxiv.org/abs/2006.09365.
"""

from math import ceil

import torch
from pydantic import PositiveInt
from torch import Tensor

from fedrobust.core.aggregator import PreAggregator, RoundInfo, State, Transformed

__all__ = ["Bucketing"]


class Bucketing(PreAggregator):
    """Shuffle the updates into buckets of a few, and hand on the mean of each bucket.

    Where clients differ by their data, means of a few differ less, and rules that trust the
    majority (`krum`, `coordinate_median`, `geometric_median`) mistake fewer honest updates for
    outliers.  The price: f malicious updates can spoil f buckets, of only n / size, so the rule
    behind it withstands `size` times fewer.  `nearest_neighbor_mixing` has the same purpose and
    keeps n.

    The order is drawn anew each round and after clients have sent, so that nobody can choose its
    company.  The last bucket may be smaller; its mean is over those it has.  This is the paper's
    final form, in which buckets are disjoint; its first version, called resampling, put each
    update into several.

    Cost: one pass over the updates, O(n d).

    Fields:
        size: how many updates share a bucket (s in the paper); 1 changes nothing.
    """

    size: PositiveInt = 2

    def transform(self, updates: Tensor, state: State, info: RoundInfo) -> Transformed:
        n = len(updates)
        order = torch.randperm(n, generator=info.generator)
        buckets = torch.arange(n) // self.size
        mixing = torch.zeros(ceil(n / self.size), n)
        mixing[buckets, order] = 1.0
        mixing = (mixing / mixing.sum(dim=1, keepdim=True)).to(updates)
        return Transformed(mixing @ updates, state, mixing)
