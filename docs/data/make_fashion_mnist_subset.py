"""Write fedrobust/data/fashion_mnist_12k.npz: a class-balanced subset of Fashion-MNIST.

The first 1,000 training and the first 200 test images of each of the ten classes, in the order
of the original files; nothing is drawn at random.  Needs the full set (on Debian and Ubuntu:
`apt install dataset-fashion-mnist`).  Run from the repository root:

    python docs/data/make_fashion_mnist_subset.py
"""

from pathlib import Path

import numpy as np

from fedrobust.core.federation import Indices
from fedrobust.data.fashion_mnist import full_arrays

OUT = Path("fedrobust/data/fashion_mnist_12k.npz")


def first_of_each_class(y: Indices, count: int) -> Indices:
    """Return the places of the first `count` examples of each class, ascending."""
    return np.sort(np.concatenate([np.flatnonzero(y == label)[:count] for label in range(10)]))


x, y, x_test, y_test = full_arrays()
train, test = first_of_each_class(y, 1000), first_of_each_class(y_test, 200)
np.savez_compressed(OUT, x=x[train], y=y[train], x_test=x_test[test], y_test=y_test[test])
