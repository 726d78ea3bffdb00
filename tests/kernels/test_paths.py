"""Which path is taken, that it may not matter, and what odd tensors it takes."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from fedrobust import kernels
from fedrobust.errors import AggregationError, ConfigError

ROOT = Path(__file__).resolve().parents[2]
LARGE, SMALL = torch.ones(4, 1 << 16), torch.ones(4, 4)


def everything(rows):
    """Return all that can be computed of at least three rows."""
    n = len(rows)
    return [
        kernels.norms(rows),
        kernels.distances(rows, rows[1]),
        kernels.products(rows, rows[1]),
        kernels.squared_distances(rows),
        kernels.rank_mean(rows, 1, n - 1),
        kernels.mean_near(rows, n - 1, 1, n - 1),
        kernels.mean_near_median(rows, n - 1),
    ]


def run(code, **variables):
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    answer = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


@pytest.mark.parametrize(
    ("wish", "small", "large"),
    [
        ("auto", "portable", "compiled"),
        ("compiled", "compiled", "compiled"),
        ("portable", "portable", "portable"),
    ],
)
def test_the_environment_variable_chooses(monkeypatch, wish, small, large):
    pytest.importorskip("numba")
    monkeypatch.setenv("FEDROBUST_KERNELS", wish)

    assert kernels.path(SMALL).name == small
    assert kernels.path(LARGE).name == kernels.path().name == large


def test_without_the_variable_it_is_automatic(monkeypatch):
    monkeypatch.delenv("FEDROBUST_KERNELS", raising=False)
    automatic = kernels.path(LARGE)
    monkeypatch.setenv("FEDROBUST_KERNELS", "auto")

    assert kernels.path(LARGE) == automatic


def test_a_wish_for_anything_else_is_refused(monkeypatch):
    monkeypatch.setenv("FEDROBUST_KERNELS", "fast")

    with pytest.raises(ConfigError, match="auto, compiled or portable, not 'fast'"):
        kernels.norms(SMALL)


def test_without_numba_everything_is_portable():
    code = (
        "import sys, torch; sys.modules['numba'] = None; from fedrobust import kernels;"
        "print(*kernels.path(), kernels.norms(torch.ones(3, 100_000)).tolist()[0] ** 2)"
    )

    answer = run(code, FEDROBUST_KERNELS="auto")

    assert answer.startswith("portable ModuleNotFoundError")
    assert float(answer.split()[-1]) == pytest.approx(100_000)


def test_where_numba_may_not_compile_everything_is_portable():
    pytest.importorskip("numba")
    code = "from fedrobust import kernels; print(*kernels.path())"

    answer = run(code, NUMBA_DISABLE_JIT="1", FEDROBUST_KERNELS="auto")

    assert answer == "portable ImportError: NUMBA_DISABLE_JIT is set"


def test_without_numba_a_wish_for_it_is_refused(monkeypatch):
    monkeypatch.setattr(kernels, "_compiled", lambda: (None, "No module named 'numba'"))
    monkeypatch.setenv("FEDROBUST_KERNELS", "compiled")

    with pytest.raises(ConfigError, match=r"No module named 'numba'; type: pip install"):
        kernels.norms(SMALL)


def test_where_nothing_can_be_written_kernels_are_compiled_anew():
    """numba finds no folder for a function whose file does not exist."""
    pytest.importorskip("numba")
    from fedrobust.kernels.instructions import kernel

    names = {}
    exec(compile("def twice(x):\n    return 2 * x", "/nowhere/code.py", "exec"), names)

    assert kernel()(names["twice"])(21) == 42


@pytest.mark.parametrize("n", [3, 10, 16, 17, 64, 65, 131])
def test_both_paths_agree(monkeypatch, kind, matrix, n):
    pytest.importorskip("numba")
    rows = matrix(kind, n, 2050)
    results = []

    for wish in ("compiled", "portable"):
        monkeypatch.setenv("FEDROBUST_KERNELS", wish)
        results.append(everything(rows))

    norms = results[0][0]
    scales = [0, 0, norms * norms[1], 0, *[rows.abs().max(dim=0).values.double()] * 3]
    for one, other, scale in zip(*results, scales, strict=True):
        allowed = 1e-6 * other.double().abs() + 1e-14 * scale
        assert ((one.double() - other.double()).abs() <= allowed).all()


@pytest.mark.parametrize(("n", "d"), [(0, 5), (0, 0), (3, 0), (20, 0), (1, 1), (5, 1)])
def test_few_or_no_rows_or_columns(path, n, d):
    rows = torch.ones(n, d)

    assert kernels.norms(rows).tolist() == [d**0.5] * n
    assert kernels.distances(rows, torch.zeros(d)).tolist() == [d**0.5] * n
    assert kernels.products(rows, torch.ones(d)).tolist() == [d] * n
    assert kernels.squared_distances(rows).equal(torch.zeros(n, n, dtype=torch.float64))
    if n:
        assert kernels.rank_mean(rows, 0, n).equal(torch.ones(d))
        assert kernels.mean_near(rows, n, 0, n).equal(torch.ones(d))
        assert kernels.mean_near_median(rows, n).equal(torch.ones(d))


@pytest.mark.parametrize("n", [7, 20])
def test_how_a_matrix_lies_in_memory_does_not_matter(path, n):
    rows = torch.randn(n, 100)
    expected = everything(rows)
    wide = torch.zeros(2 * n, 301)
    wide[::2, 1::3] = rows

    for other in (rows.T.contiguous().T, wide[::2, 1::3]):
        for one, same in zip(everything(other), expected, strict=True):
            torch.testing.assert_close(one, same, rtol=1e-12, atol=0)
    assert kernels.norms(torch.ones(1).expand(n, 100)).eq(10).all()


def test_a_matrix_that_may_not_be_written_is_read(path):
    array = np.ones((20, 50), np.float32)
    array.setflags(write=False)
    with warnings.catch_warnings(action="ignore"):  # that torch would write to it all the same
        rows = torch.from_numpy(array)

    for result in everything(rows):
        assert result.isfinite().all()


def test_nothing_changes_its_arguments(path, matrix):
    rows = matrix("random", 20, 600)
    before = rows.clone()

    everything(rows)

    assert rows.equal(before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_keep_theirs(path, dtype):
    rows = torch.arange(12.0).view(4, 3).to(dtype)

    assert kernels.path(rows).name == "portable"
    assert [result.dtype for result in everything(rows)] == [torch.float64] * 4 + [dtype] * 3
    assert kernels.rank_mean(rows, 1, 3).tolist() == [4.5, 5.5, 6.5]


def test_gradients_flow_through(path):
    rows = torch.tensor([[3.0, 4.0]], requires_grad=True)

    kernels.norms(rows).sum().backward()

    assert kernels.path(rows).name == "portable"
    torch.testing.assert_close(rows.grad, torch.tensor([[0.6, 0.8]]))


def test_everything_can_be_mapped_and_inferred(path):
    some = torch.randn(3, 5, 7)

    mapped = torch.vmap(kernels.norms)(some), torch.vmap(lambda x: kernels.rank_mean(x, 1, 4))(some)

    torch.testing.assert_close(mapped[0], torch.stack([kernels.norms(one) for one in some]))
    expected = torch.stack([kernels.rank_mean(one, 1, 4) for one in some])
    torch.testing.assert_close(mapped[1], expected)
    with torch.inference_mode():
        torch.testing.assert_close(kernels.norms(torch.ones(2, 9)).tolist(), [3.0, 3.0])


@pytest.mark.parametrize(("low", "high"), [(-1, 2), (2, 2), (3, 1), (0, 5)])
def test_ranks_that_do_not_exist_are_refused(path, low, high):
    with pytest.raises(AggregationError, match=f"low = {low} and high = {high} with n = 4"):
        kernels.rank_mean(SMALL, low, high)
    with pytest.raises(AggregationError, match=f"low = {low} and high = {high} with n = 4"):
        kernels.mean_near(SMALL, 1, low, high)


@pytest.mark.parametrize("keep", [-1, 0, 5])
def test_too_few_or_many_to_keep_are_refused(path, keep):
    with pytest.raises(AggregationError, match=f"keep = {keep} with n = 4"):
        kernels.mean_near_median(SMALL, keep)


@pytest.mark.parametrize("measure", [kernels.distances, kernels.products])
def test_a_vector_of_another_length_is_refused(path, measure):
    with pytest.raises(AggregationError, match=r"need a vector of shape \(4,\), not \(3,\)"):
        measure(SMALL, torch.ones(3))
