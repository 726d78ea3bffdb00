"""MNIST.

LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 1998, https://doi.org/10.1109/5.726791.
"""

import os
from pathlib import Path

import numpy as np
import torch

from fedrobust.core.task import Data, DataSet
from fedrobust.data import _idx
from fedrobust.data._idx import Bytes
from fedrobust.errors import DataError

__all__ = ["MNIST"]

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_TEST_FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
# How many of each digit there are, which Fashion-MNIST and others of the same shape have not.
_DIGITS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_TEST_DIGITS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)


class MNIST(DataSet):
    """Images of handwritten digits, 28 x 28, gray, in [0, 1]: 60,000 and 10,000.

    It does not come with fedrobust: its four files are looked for in the folder `$FEDROBUST_DATA`
    and in its subfolder `mnist`.  Pixels are divided by 255 and not standardised.  A linear model
    reaches about 0.92.
    """

    def load(self, seed: int) -> Data:
        folder = _folder()
        x, y = (_idx.read(folder / f"{name}.gz", 3 - 2 * i) for i, name in enumerate(_FILES))
        x_test, y_test = (
            _idx.read(folder / f"{name}.gz", 3 - 2 * i) for i, name in enumerate(_TEST_FILES)
        )
        _check(x, y, _DIGITS, folder / _FILES[1])
        _check(x_test, y_test, _TEST_DIGITS, folder / _TEST_FILES[1])
        return Data(
            torch.from_numpy(x.astype(np.float32)).div_(255).unsqueeze(1),
            torch.from_numpy(y.astype(np.int64)),
            torch.from_numpy(x_test.astype(np.float32)).div_(255).unsqueeze(1),
            torch.from_numpy(y_test.astype(np.int64)),
            num_classes=10,
        )


def _folder() -> Path:
    own = os.environ.get("FEDROBUST_DATA")
    places = [Path(own), Path(own) / "mnist"] if own else []
    for folder in places:
        if all((folder / f"{name}.gz").is_file() for name in (*_FILES, *_TEST_FILES)):
            return folder
    where = f"not in {' or '.join(map(str, places))}" if places else "in no folder it knows of"
    raise DataError(
        f"MNIST needs its four files ({_FILES[0]}.gz, ...), which are {where}: set FEDROBUST_DATA "
        "to the folder that has them. fashion_mnist comes with fedrobust."
    )


def _check(x: Bytes, y: Bytes, digits: tuple[int, ...], path: Path) -> None:
    found = tuple(np.bincount(y, minlength=10).tolist())
    if x.shape != (sum(digits), 28, 28) or found != digits:
        raise DataError(
            f"{str(path)!r} and the images beside it are not MNIST: it has {digits[0]} zeros "
            f"among {sum(digits)} images of 28 x 28, not {found[0]} among {list(x.shape)}."
        )
