"""Breast Cancer Wisconsin (Diagnostic).

Wolberg, Mangasarian, Street and Street, UCI Machine Learning Repository, 1993,
https://doi.org/10.24432/C5DW2B.
"""

import numpy as np
import torch
from pydantic import Field
from sklearn.datasets import load_breast_cancer

from fedrobust.core.task import Data, DataSet
from fedrobust.data._held_out import held_out
from fedrobust.data._scaling import standardized

__all__ = ["BreastCancer"]


class BreastCancer(DataSet):
    """569 tumours, 30 measurements each, malignant (0) or benign (1).

    Tabular and tiny: a linear model reaches 0.96.  Measurements are standardised with the mean
    and deviation of the training part.  The same examples are held out for testing whatever the
    seed, a fixed share of each class.

    Fields:
        test_share: the share of examples to test on.
    """

    test_share: float = Field(0.2, gt=0, lt=1)

    def load(self, seed: int) -> Data:
        measurements, labels = load_breast_cancer(return_X_y=True)
        y = torch.from_numpy(labels.astype(np.int64))
        tested = held_out(y.numpy(), self.test_share)
        x = torch.from_numpy(standardized(measurements, ~tested).astype(np.float32))
        test = torch.from_numpy(tested)
        return Data(x[~test], y[~test], x[test], y[test], num_classes=2)
