"""Rules that look at every subset of the updates, of which there may be too many."""

from math import comb, log10

from pydantic import PositiveInt

from fedrobust.core.aggregator import Aggregator, Bounded, RoundInfo
from fedrobust.errors import AggregationError

__all__ = ["Enumerating"]


class Enumerating(Bounded, Aggregator):
    """A rule that looks at all subsets of n - f of n updates, if they are not too many.

    Fields:
        max_subsets: how many subsets to look at, at most; a round that has more is not
            aggregated.
    """

    max_subsets: PositiveInt = 100_000

    def malicious_among(self, n: int, info: RoundInfo) -> int:
        f = super().malicious_among(n, info)
        if (subsets := comb(n, f)) > self.max_subsets:
            count = f"{subsets:,}" if subsets < 10**15 else f"10^{int(log10(subsets))}"
            raise AggregationError(
                f"{type(self).__name__} would look at {count} subsets of {n - f} of n = {n} "
                f"updates, more than max_subsets = {self.max_subsets:,}: raise that, or use "
                "minimum_diameter_averaging, which is exact for any number."
            )
        return f
