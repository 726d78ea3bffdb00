"""What the papers' experiments need beyond fedrobust's own parts: three short extensions."""

import numpy as np
import torch
from torch import nn

from fedrobust.core.federation import Indices, Partition
from fedrobust.core.task import Data, DataSet, Model
from fedrobust.errors import DataError
from fedrobust.parts import DataPart, default


class SortedByLabel(Partition):
    """Give honest clients contiguous pieces of the examples sorted by label; others, random ones.

    The split of Karimireddy, He and Jaggi, https://arxiv.org/abs/2006.09365: honest clients have
    one or two classes each, and malicious ones a sample of everything, which honest ones have too.

    Fields:
        honest: how many clients, the first ones, share the data out.
    """

    honest: int

    def split(
        self, y: Indices, num_clients: int, rng: np.random.Generator, groups: Indices | None
    ) -> list[Indices]:
        if not 0 < self.honest <= min(num_clients, len(y)):
            raise DataError(f"SortedByLabel needs 1 to {num_clients} honest clients.")
        shuffled = rng.permutation(len(y))
        by_label = shuffled[np.argsort(y[shuffled], kind="stable")]
        others = [
            rng.permutation(len(y))[: len(y) // self.honest]
            for _ in range(self.honest, num_clients)
        ]
        return [*np.array_split(by_label, self.honest), *others]


class LongTail(DataSet):
    """Images with ever fewer examples of each class, in training and test data.

    Fields:
        data: of which data set.
        ratio: how many examples a class has for each one of the class before it.
    """

    data: DataPart = default("data", "fashion_mnist")
    ratio: float = 0.5

    def load(self, seed: int) -> Data:
        data = self.data.load(seed)
        x, y = self._thinned(data.x, data.y)
        x_test, y_test = self._thinned(data.x_test, data.y_test)
        return Data(x, y, x_test, y_test, data.num_classes)

    def _thinned(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        members = [torch.nonzero(y == c)[:, 0] for c in range(int(y.max()) + 1)]
        kept = [m[: max(1, round(len(m) * self.ratio**c))] for c, m in enumerate(members)]
        chosen = torch.cat(kept).sort().values
        return x[chosen], y[chosen]


class SmallCNN(Model):
    """Two convolutions with GroupNorm and a linear layer, for images of 28 x 28."""

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(input_shape[0], 8, 5, stride=2, padding=2),
            nn.GroupNorm(4, 8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.GroupNorm(4, 16),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 7 * 7, num_classes),
        )
