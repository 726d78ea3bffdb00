import numpy as np
import pytest
import torch

KINDS = {
    "random": lambda g, n, d: g.standard_normal((n, d)),
    "heavy_tails": lambda g, n, d: g.standard_t(1, (n, d)),
    "lighter_tails": lambda g, n, d: g.standard_t(2, (n, d)),
    "near_duplicates": lambda g, n, d: g.standard_normal(d) + 1e-4 * g.standard_normal((n, d)),
    "huge": lambda g, n, d: 1e18 * g.standard_normal((n, d)),
    "tiny": lambda g, n, d: 1e-30 * g.standard_normal((n, d)),
    "one_far_away": lambda g, n, d: (
        g.standard_normal((n, d)) * np.where(np.arange(n) == n // 2, 1e15, 1)[:, None]
    ),
    "duplicates": lambda g, n, d: g.standard_normal((n, d))[np.arange(n) // 2],
    "rounded": lambda g, n, d: np.round(g.standard_normal((n, d))),
    "constant": lambda g, n, d: np.full((n, d), 0.1),
    "constant_rows": lambda g, n, d: np.repeat(g.standard_normal((n, 1)), d, axis=1),
}


@pytest.fixture(params=["compiled", "portable"])
def path(request, monkeypatch):
    """Send every matrix that can go there down one path."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    monkeypatch.setenv("FEDROBUST_KERNELS", request.param)
    return request.param


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def matrix():
    """Return a factory of float32 matrices ``[n, d]`` that are hard in one way or another."""

    def make(kind: str, n: int, d: int) -> torch.Tensor:
        values = KINDS[kind](np.random.default_rng([n, d]), n, d)
        return torch.from_numpy(values.astype(np.float32))

    return make
