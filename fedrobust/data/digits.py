"""The handwritten digits of scikit-learn.

Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49 (its test part).
"""

import numpy as np
import torch
from pydantic import Field
from sklearn.datasets import load_digits

from fedrobust.core.task import Data, DataSet
from fedrobust.data._held_out import held_out

__all__ = ["Digits"]


class Digits(DataSet):
    """1,797 images of handwritten digits, 8 x 8, gray, in [0, 1].

    Small enough for a laptop: a linear model reaches 0.95 in seconds.  The same images are held
    out for testing whatever the seed, a fixed share of each class.

    Fields:
        test_share: the share of examples to test on.
    """

    test_share: float = Field(0.2, gt=0, lt=1)

    def load(self, seed: int) -> Data:
        images, labels = load_digits(return_X_y=True)
        x = torch.from_numpy(images.astype(np.float32) / 16).view(-1, 1, 8, 8)
        y = torch.from_numpy(labels.astype(np.int64))
        test = torch.from_numpy(held_out(y.numpy(), self.test_share))
        return Data(x[~test], y[~test], x[test], y[test], num_classes=10)
