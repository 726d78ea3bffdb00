import gzip
import re
import struct
from hashlib import sha256

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from fedrobust.data import _idx, fashion_mnist
from fedrobust.data.fashion_mnist import FashionMNIST
from fedrobust.errors import DataError


def idx(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.fixture
def tiny(monkeypatch):
    """Write three training and two test images under a folder, and take them for the full set."""
    rng = np.random.default_rng(0)
    shapes = [(3, 28, 28), (3,), (2, 28, 28), (2,)]
    arrays = [rng.integers(0, 10, size=shape, dtype=np.uint8) for shape in shapes]
    names = list(fashion_mnist._FILES)
    digests = [sha256(array.data).hexdigest() for array in arrays]
    monkeypatch.setattr(fashion_mnist, "_FILES", dict(zip(names, digests, strict=True)))

    def write(folder):
        folder.mkdir(exist_ok=True)
        for name, array in zip(names, arrays, strict=True):
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        return arrays

    return write


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(fashion_mnist, "_DEBIAN", tmp_path / "nowhere")
    monkeypatch.delenv("FEDROBUST_DATA", raising=False)


def test_the_subset_is_balanced_scaled_and_needs_nothing(nothing_installed):
    data = FashionMNIST().load(seed=0)

    assert data.x.shape == (10_000, 1, 28, 28)
    assert data.x_test.shape == (2_000, 1, 28, 28)
    assert data.x.dtype == torch.float32
    assert data.y.dtype == torch.int64
    assert (data.x.min(), data.x.max()) == (0.0, 1.0)
    assert data.y.bincount().tolist() == [1000] * 10
    assert data.y_test.bincount().tolist() == [200] * 10
    assert data.num_classes == 10


def test_the_subset_does_not_depend_on_what_is_installed(tiny, monkeypatch, tmp_path):
    tiny(tmp_path)
    monkeypatch.setenv("FEDROBUST_DATA", str(tmp_path))

    data = FashionMNIST().load(seed=1)

    assert len(data.x) == 10_000


def test_training_and_test_images_are_different_ones():
    data = FashionMNIST().load(seed=0)

    train = {x.numpy().tobytes() for x in data.x}
    test = {x.numpy().tobytes() for x in data.x_test}

    assert len(train) > 9_990
    assert len(train & test) <= 5  # Fashion-MNIST has a few duplicates of its own


@pytest.mark.parametrize("subfolder", ["", "fashion-mnist"])
def test_the_full_set_is_found_in_the_folder_of_the_environment(
    subfolder, tiny, nothing_installed, monkeypatch, tmp_path
):
    x, y, x_test, y_test = tiny(tmp_path / subfolder)
    monkeypatch.setenv("FEDROBUST_DATA", str(tmp_path))

    data = FashionMNIST(full=True).load(seed=0)

    torch.testing.assert_close(data.x, torch.from_numpy(x).float()[:, None] / 255)
    torch.testing.assert_close(data.x_test, torch.from_numpy(x_test).float()[:, None] / 255)
    assert data.y.tolist() == y.tolist()
    assert data.y_test.tolist() == y_test.tolist()


def test_the_folder_of_the_environment_goes_before_the_system(tiny, monkeypatch, tmp_path):
    system, own = tmp_path / "system", tmp_path / "own"
    tiny(system)
    tiny(own)
    (system / "t10k-labels-idx1-ubyte.gz").write_bytes(b"never read")
    monkeypatch.setattr(fashion_mnist, "_DEBIAN", system)
    monkeypatch.setenv("FEDROBUST_DATA", str(own))

    data = FashionMNIST(full=True).load(seed=0)

    assert len(data.x) == 3


def test_without_the_full_set_the_error_says_what_to_do(nothing_installed, monkeypatch, tmp_path):
    monkeypatch.setenv("FEDROBUST_DATA", str(tmp_path))
    remedies = ["dataset-fashion-mnist", "set FEDROBUST_DATA", "leave out `full`", str(tmp_path)]

    with pytest.raises(DataError) as raised:
        FashionMNIST(full=True).load(seed=0)

    assert [r for r in remedies if r not in str(raised.value)] == []


def test_another_data_set_of_the_same_shape_is_refused(tiny, nothing_installed, tmp_path):
    arrays = tiny(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx(arrays[2] + 1)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDROBUST_DATA", str(tmp_path))
        with pytest.raises(DataError, match=r"t10k-images.* is not the file of Fashion-MNIST"):
            FashionMNIST(full=True).load(seed=0)


def test_the_full_set_of_this_machine_is_the_real_one_or_absent():
    if not fashion_mnist._DEBIAN.is_dir():
        with pytest.raises(DataError, match="dataset-fashion-mnist"):
            FashionMNIST(full=True).load(seed=0)
        return
    full, subset = fashion_mnist.full_arrays(), fashion_mnist._subset()

    first = np.sort(np.concatenate([np.flatnonzero(full.y == c)[:1000] for c in range(10)]))

    assert full.x.shape == (60_000, 28, 28)
    assert full.x_test.shape == (10_000, 28, 28)
    assert np.array_equal(full.x[first], subset.x)
    assert np.array_equal(full.y[first], subset.y)


GOOD = idx(np.zeros((2, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(GOOD[:-1], mtime=0), r"needs 6 bytes for its shape [2, 3], not 5."),
        (gzip.compress(GOOD + b"x", mtime=0), r"needs 6 bytes for its shape [2, 3], not 7."),
        (gzip.compress(b"", mtime=0), "needs to begin with 00000802, as an IDX file"),
        (gzip.compress(b"\0\0\x08\x02\0\0", mtime=0), "needs to begin with 00000802"),
        (gzip.compress(b"\0\0\x0d\x02" + GOOD[4:], mtime=0), "not with 00000d02"),
        (gzip.compress(idx(np.zeros(6, dtype=np.uint8)), mtime=0), "not with 00000801"),
        (gzip.compress(GOOD, mtime=0)[:-9], "Cannot read"),
        (GOOD, "Cannot read"),
    ],
)
def test_a_damaged_idx_file_is_refused(content, message, tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(content)

    with pytest.raises(DataError, match=re.escape(message)):
        _idx.read(path, dimensions=2)


def test_a_sound_idx_file_is_read(tmp_path):
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(idx(array)))

    assert np.array_equal(_idx.read(path, dimensions=2), array)


def test_a_linear_model_reaches_four_in_five():
    data = FashionMNIST().load(seed=0)
    weights = torch.zeros(785, 10, requires_grad=True)
    x, x_test = (torch.cat([x.flatten(1), torch.ones(len(x), 1)], 1) for x in (data.x, data.x_test))
    order = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD([weights], lr=0.05, momentum=0.9)

    for _ in range(5):
        for batch in torch.randperm(len(x), generator=order).split(100):
            optimizer.zero_grad()
            cross_entropy(x[batch] @ weights, data.y[batch]).backward()
            optimizer.step()

    accuracy = ((x_test @ weights).argmax(1) == data.y_test).double().mean()
    assert 0.79 < accuracy < 0.86
