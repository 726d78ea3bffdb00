import hashlib
import math
import os
import pickle
import struct
import time
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedrobust.errors import ResultsError
from fedrobust.results import checkpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoints" / "latest.pt"


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


tensors = st.sampled_from(
    [torch.zeros(0), torch.randn(2, 3), torch.ones(2, dtype=torch.bool), torch.arange(3)]
)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | tensors
)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(state=st.dictionaries(st.text(max_size=5), nested, max_size=3))
def test_any_state_survives(path, state):
    checkpoint.save(path, state)

    assert equal(checkpoint.load(path), state)


def test_a_generator_goes_on_where_it_was(path):
    generator = torch.Generator().manual_seed(1)
    torch.rand(3, generator=generator)
    checkpoint.save(path, {"generator": generator.get_state()})
    expected = torch.rand(3, generator=generator)

    generator.set_state(checkpoint.load(path)["generator"])

    assert torch.equal(torch.rand(3, generator=generator), expected)


def test_a_row_does_not_bring_its_matrix_along(path):
    matrix = torch.randn(1000, 1000, requires_grad=True)

    checkpoint.save(path, {"row": matrix[3]})

    assert path.stat().st_size < 10_000
    assert torch.equal(checkpoint.load(path)["row"], matrix[3].detach())


def test_rows_that_make_up_a_matrix_are_written_as_one(path):
    matrix = torch.randn(50, 1000)

    checkpoint.save(path, {"clients": {i: {"momentum": row} for i, row in enumerate(matrix)}})

    with zipfile.ZipFile(path) as archive:
        assert sum("/data/" in name for name in archive.namelist()) == 1
    loaded = checkpoint.load(path)["clients"]
    assert all(loaded[i]["momentum"].equal(row) for i, row in enumerate(matrix))


def test_only_the_last_state_is_kept(path):
    for number in (1, 2):
        checkpoint.save(path, {"round": number})

    assert checkpoint.load(path) == {"round": 2}
    assert list(path.parent.iterdir()) == [path]


def test_a_state_that_cannot_be_saved_leaves_the_old_one(path, monkeypatch):
    checkpoint.save(path, {"round": 1})

    with pytest.raises(ResultsError, match=r"not Generator at state\.rule\.0\.generator"):
        checkpoint.save(path, {"rule": [{"generator": torch.Generator()}]})
    monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(ResultsError, match="cannot be written: disk full"):
        checkpoint.save(path, {"round": 2})

    assert checkpoint.load(path) == {"round": 1}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(path, share):
    checkpoint.save(path, {"params": torch.randn(1000)})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(ResultsError, match=r"is cut short, .* without --resume"):
        checkpoint.load(path)


def test_one_changed_byte_is_noticed(path):
    checkpoint.save(path, {"params": torch.zeros(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(ResultsError, match=r"is damaged; .* without --resume"):
        checkpoint.load(path)


class Exploit:
    """Touches a file when it is unpickled."""

    def __init__(self, touched):
        self.touched = touched

    def __reduce__(self):
        return Path.touch, (self.touched,)


def test_code_in_a_file_never_runs(path, tmp_path):
    path.parent.mkdir()
    torch.save({"kind": checkpoint.KIND, "format": 1, "state": Exploit(tmp_path / "touched")}, path)

    with pytest.raises(ResultsError, match="objects that could run code"):
        checkpoint.load(path)

    assert not (tmp_path / "touched").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "touched").exists()  # so the file above was a real exploit


def test_a_bare_pickle_is_refused(path, tmp_path):
    path.parent.mkdir()
    path.write_bytes(pickle.dumps(Exploit(tmp_path / "touched")))

    with pytest.raises(ResultsError, match="something else"):
        checkpoint.load(path)

    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"weight": torch.zeros(2)}, "another program's file"),
        (torch.zeros(2), "another program's file"),
        ({"kind": checkpoint.KIND, "format": 99, "state": {}}, "of format 99, not 1"),
    ],
)
def test_other_files_are_refused(path, content, complaint):
    path.parent.mkdir()
    torch.save(content, path)

    with pytest.raises(ResultsError, match=complaint):
        checkpoint.load(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(ResultsError, match=r"No checkpoint at .*latest\.pt"):
        checkpoint.load(path)


def test_ten_megabytes_take_a_moment(path):
    """Measured: 25 ms to save, 8 ms to load."""
    state = {"params": torch.randn(2_500_000)}
    seconds = []

    for _ in range(3):
        start = time.process_time()
        checkpoint.save(path, state)
        seconds.append(time.process_time() - start)

    assert min(seconds) < 0.5


def test_the_hash_of_a_model_is_that_of_its_bytes():
    """By hand: 1.0 is 0000803f in little-endian float32, -2.5 is 000020c0."""
    expected = hashlib.sha256(bytes.fromhex("0000803f000020c0")).hexdigest()

    assert checkpoint.model_hash(torch.tensor([1.0, -2.5])) == expected
    assert checkpoint.model_hash(torch.tensor([1.0, -2.5], dtype=torch.float64)) == expected
    assert checkpoint.model_hash(torch.tensor([[1.0, 0.0], [-2.5, 0.0]])[:, 0]) == expected


@given(st.lists(st.floats(width=32), max_size=5))
def test_the_hash_is_the_same_on_every_machine(numbers):
    numbers = [x for x in numbers if not math.isnan(x)]
    expected = hashlib.sha256(struct.pack(f"<{len(numbers)}f", *numbers)).hexdigest()

    assert checkpoint.model_hash(torch.tensor(numbers)) == expected
