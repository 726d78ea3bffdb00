"""Gaussian classes of known difficulty."""

from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor

from fedrobust.core.seeds import Purpose, numpy_generator
from fedrobust.core.task import Data, DataSet
from fedrobust.errors import ConfigError

__all__ = ["Synthetic"]


class Synthetic(DataSet):
    """Draw classes from unit Gaussians whose means all lie `separation` apart.

    The means are the corners of a regular simplex around the origin, turned at random; classes
    are equally frequent.  So the accuracy of the best classifier there is, a linear one, is known:
    Phi(separation / 2) for two classes, `bayes_accuracy()` for any number.

    Fields:
        num_classes: how many classes.
        num_features: how many numbers an example has; at least `num_classes`.
        size: how many training examples; at least `num_classes`.
        test_size: how many test examples.
        separation: distance between the means of any two classes, in standard deviations.
    """

    num_classes: int = Field(2, ge=2)
    num_features: PositiveInt = 10
    size: PositiveInt = 2000
    test_size: PositiveInt = 2000
    separation: NonNegativeFloat = 3.0

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for name, most in (("num_features", self.num_features), ("size", self.size)):
            if most < self.num_classes:
                raise ConfigError(
                    f"Synthetic needs {name} of at least num_classes = {self.num_classes}, not "
                    f"{most}."
                )
        return self

    def load(self, seed: int) -> Data:
        rng = numpy_generator(seed, Purpose.DATA)
        means = self._means(rng)

        def sample(size: int) -> tuple[Tensor, Tensor]:
            y = rng.permutation(np.arange(size, dtype=np.int64) % self.num_classes)
            x = means[y] + rng.standard_normal((size, self.num_features))
            return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y)

        return Data(*sample(self.size), *sample(self.test_size), num_classes=self.num_classes)

    def bayes_accuracy(self) -> float:
        """Return the accuracy no classifier can exceed on new examples.

        >>> round(Synthetic(separation=3.0).bayes_accuracy(), 4)  # Phi(1.5)
        0.9332
        >>> round(Synthetic(separation=0.0, num_classes=10).bayes_accuracy(), 4)
        0.1
        """
        # The score of the true class leads by separation / sqrt(2); all scores are independent.
        z = torch.linspace(-10, 10, 4001, dtype=torch.float64)
        density = torch.exp(-z.square() / 2) / np.sqrt(2 * np.pi)
        others = torch.special.ndtr(z + self.separation / np.sqrt(2)) ** (self.num_classes - 1)
        return float(torch.trapezoid(density * others, z))

    def _means(self, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        axes, _ = np.linalg.qr(rng.standard_normal((self.num_features, self.num_classes)))
        corners: npt.NDArray[np.float64] = axes.T * (self.separation / np.sqrt(2))
        return np.asarray(corners - corners.mean(axis=0))  # [num_classes, num_features]
