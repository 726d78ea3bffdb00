import gzip
import struct

import numpy as np
import pytest

from fedrobust.data import mnist
from fedrobust.data.mnist import MNIST
from fedrobust.errors import DataError


def idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Write twenty training and ten test images, and take them for MNIST."""
    monkeypatch.setattr(mnist, "_DIGITS", (2,) * 10)
    monkeypatch.setattr(mnist, "_TEST_DIGITS", (1,) * 10)
    monkeypatch.setenv("FEDROBUST_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    arrays = []
    (tmp_path / "mnist").mkdir()
    for names, size in ((mnist._FILES, 20), (mnist._TEST_FILES, 10)):
        x = rng.integers(0, 256, (size, 28, 28), dtype=np.uint8)
        y = rng.permutation(np.arange(size, dtype=np.uint8) % 10)
        for name, array in zip(names, (x, y), strict=True):
            (tmp_path / "mnist" / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        arrays.append((x, y))
    return arrays


def test_reads_what_is_in_the_folder(tiny):
    data = MNIST().load(seed=0)

    assert (data.x.shape, data.x_test.shape) == ((20, 1, 28, 28), (10, 1, 28, 28))
    assert data.y.tolist() == tiny[0][1].tolist()
    assert data.x_test[3, 0, 5, 6].item() == pytest.approx(tiny[1][0][3, 5, 6] / 255)


def test_other_images_of_that_shape_are_refused(tiny, monkeypatch):
    monkeypatch.setattr(mnist, "_TEST_DIGITS", (2, 0, *(1,) * 8))

    with pytest.raises(DataError, match=r"not MNIST: it has 2 zeros.*not 1 among"):
        MNIST().load(seed=0)


@pytest.mark.parametrize(("folder", "where"), [(None, "no folder"), ("empty", "empty/mnist")])
def test_says_where_it_looked(monkeypatch, folder, where):
    monkeypatch.delenv("FEDROBUST_DATA", raising=False)
    if folder:
        monkeypatch.setenv("FEDROBUST_DATA", folder)

    with pytest.raises(DataError, match=f"{where}.*set FEDROBUST_DATA"):
        MNIST().load(seed=0)
