import pytest
import torch

_KINDS = ("random", "heavy_tailed", "near_duplicate", "huge")


@pytest.fixture(scope="session")
def aggregate(info):
    """Return a function that lets a rule aggregate a round, by default its first one."""

    def run(rule, updates, f=0, state=None):
        state = rule.init(torch.zeros(updates.shape[1])) if state is None else state
        return rule.aggregate(updates, state, info(updates, num_malicious=f))

    return run


@pytest.fixture(scope="session", params=[f"{kind}-{n}" for kind in _KINDS for n in (10, 11)])
def hard(request):
    """Return updates ``[n, 40]`` on which a careless rule loses digits or overflows."""
    kind, _, n = request.param.partition("-")
    g = torch.Generator().manual_seed(7)
    noise = torch.randn(int(n), 40, generator=g)
    if kind == "heavy_tailed":
        return noise / torch.randn(int(n), 40, generator=g)
    if kind == "near_duplicate":
        return 1 + 1e-5 * noise
    return noise * 1e18 if kind == "huge" else noise


@pytest.fixture(scope="session")
def x3():
    """The first golden matrix."""
    return torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])


@pytest.fixture(scope="session")
def x7():
    """The second golden matrix, for f = 2."""
    rows = [[5, 1, 2], [4, 1, 3], [4, -3, -5], [-2, -2, 4], [5, -5, 0], [4, -4, 3], [-4, 0, 3]]
    return torch.tensor(rows, dtype=torch.float32)
