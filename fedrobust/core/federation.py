"""Who takes part, and who holds which examples."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import Tensor

from fedrobust.core.component import Component

__all__ = ["Federation", "Indices", "Partition"]

Indices = npt.NDArray[np.int64]


class Partition(Component):
    """A way to split training examples among clients."""

    @abstractmethod
    def split(
        self, y: Indices, num_clients: int, rng: np.random.Generator, groups: Indices | None
    ) -> list[Indices]:
        """Return the examples of each client.

        Args:
            y: ``[N]`` labels of the training examples.
            num_clients: how many clients to split them among.
            rng: the only source of randomness.
            groups: ``[N]`` the natural client of each example, where the data have one.

        Returns:
            One array of example indices a client, none of them empty.  They may overlap, and one
            may repeat an index: who holds an example twice sees it twice a pass.

        Raises:
            DataError: if the examples cannot be split like that.
        """


@dataclass(frozen=True, eq=False)
class Federation:
    """Who holds which examples; some may be with nobody, or with several clients."""

    shards: Sequence[Tensor]  # client i holds the training examples with indices shards[i] [n_i]

    @cached_property
    def sizes(self) -> list[int]:
        """How many examples each client holds."""
        return [shard.numel() for shard in self.shards]

    @property
    def num_clients(self) -> int:
        """How many clients there are."""
        return len(self.shards)
