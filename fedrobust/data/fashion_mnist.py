"""Fashion-MNIST.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", https://arxiv.org/abs/1708.07747.  MIT licensed, see fashion_mnist_LICENSE.txt.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fedrobust.core.task import Data, DataSet
from fedrobust.data import _idx
from fedrobust.data._idx import Bytes
from fedrobust.errors import DataError

__all__ = ["FashionMNIST"]

_SUBSET = Path(__file__).with_name("fashion_mnist_12k.npz")
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_FILES = {  # name: SHA-256 of its contents after the header; any two machines learn from the same
    "train-images-idx3-ubyte": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "train-labels-idx1-ubyte": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "t10k-images-idx3-ubyte": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "t10k-labels-idx1-ubyte": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
}


class FashionMNIST(DataSet):
    """Images of ten kinds of clothing, 28 x 28, gray, in [0, 1].

    By default 10,000 training and 2,000 test images that come with fedrobust, 1,000 and 200 of
    each class.  The full set has 60,000 and 10,000 and needs to be installed: it is looked for in
    the folder `$FEDROBUST_DATA`, in its subfolder `fashion-mnist`, and where the Debian package
    `dataset-fashion-mnist` puts it.  Which of the two is used never depends on what is installed.
    Pixels are divided by 255 and not standardised, so that 1 is the brightest pixel a trigger can
    set.  A linear model reaches about 0.84 on either.

    Fields:
        full: whether to load the full set.
    """

    full: bool = False

    def load(self, seed: int) -> Data:
        arrays = full_arrays() if self.full else _subset()
        return Data(
            _images(arrays.x),
            torch.from_numpy(arrays.y.astype(np.int64)),
            _images(arrays.x_test),
            torch.from_numpy(arrays.y_test.astype(np.int64)),
            num_classes=10,
        )


class Arrays(NamedTuple):
    """The four arrays as they are stored: images [N, 28, 28] and labels [N], in bytes."""

    x: Bytes
    y: Bytes
    x_test: Bytes
    y_test: Bytes


def full_arrays() -> Arrays:
    """Return the full set from wherever it is installed.

    Raises:
        DataError: if it is nowhere, or is not Fashion-MNIST.
    """
    places = _places()
    for folder in places:
        files = {folder / f"{name}.gz": digest for name, digest in _FILES.items()}
        if all(path.is_file() for path in files):
            return Arrays(*(_checked(path, digest) for path, digest in files.items()))
    raise DataError(
        "FashionMNIST needs the full set's four files (train-images-idx3-ubyte.gz, ...), which "
        f"are not in {', '.join(str(folder) for folder in places)}. Install the Debian package "
        "dataset-fashion-mnist, set FEDROBUST_DATA to the folder that has them, or leave out "
        "`full` for the subset that comes with fedrobust."
    )


def _places() -> list[Path]:
    own = os.environ.get("FEDROBUST_DATA")
    return [*([Path(own), Path(own) / "fashion-mnist"] if own else []), _DEBIAN]


def _checked(path: Path, digest: str) -> Bytes:
    array = _idx.read(path, dimensions=3 if "images" in path.name else 1)
    if sha256(array.data).hexdigest() != digest:
        raise DataError(
            f"{str(path)!r} is not the file of Fashion-MNIST with that name, but another array "
            f"of shape {list(array.shape)}; download it again."
        )
    return array


def _subset() -> Arrays:
    with np.load(_SUBSET, allow_pickle=False) as stored:
        return Arrays(*(stored[name] for name in Arrays._fields))


def _images(bytes_: Bytes) -> Tensor:
    return torch.from_numpy(bytes_.astype(np.float32)).div_(255).unsqueeze(1)  # [N, 1, 28, 28]
