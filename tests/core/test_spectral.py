import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core import rows
from fedrobust.core.spectral import principal


def reference(updates, weights):
    """The eigenvector of the covariance ``[d, d]`` itself."""
    exact, shares = updates.double(), weights.double() / weights.sum()
    centered = exact - shares @ exact
    eigenvalues, vectors = torch.linalg.eigh(centered.T @ (shares[:, None] * centered))
    along = centered @ vectors[:, -1]
    return eigenvalues[-1].item(), along * along[along.abs().argmax()].sign()


@settings(deadline=None, max_examples=50)
@given(n=st.integers(2, 9), d=st.integers(1, 12), seed=st.integers(0, 999))
def test_it_is_the_covariance_s_main_eigenvector(n, d, seed):
    g = torch.Generator().manual_seed(seed)
    updates, weights = torch.randn(n, d, generator=g), torch.rand(n, generator=g) + 0.01
    weights[0] = 0.0  # left out, but measured

    eigenvalue, along = principal(rows.squared_distances(updates), weights)

    expected, projections = reference(updates, weights)
    assert eigenvalue == pytest.approx(expected, rel=1e-6, abs=1e-12)
    if n > 3 and d > 1 and expected > 1e-6:
        torch.testing.assert_close(along.abs(), projections.abs(), atol=1e-4, rtol=1e-4)


def test_worked_by_hand():
    """Two rows 2 apart, one of them twice as heavy: variance 2 * 2/3 * 2/3."""
    updates = torch.tensor([[0.0, 0.0], [2.0, 0.0]])

    eigenvalue, along = principal(rows.squared_distances(updates), torch.tensor([2.0, 1.0]))

    assert eigenvalue == pytest.approx(8 / 9)
    torch.testing.assert_close(along, torch.tensor([-2 / 3, 4 / 3], dtype=torch.float64))


def test_rows_that_agree_have_no_main_direction():
    eigenvalue, along = principal(torch.zeros(4, 4, dtype=torch.float64), torch.ones(4))

    assert eigenvalue == 0.0
    assert along.tolist() == [0.0] * 4


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_it_keeps_its_digits_whatever_the_units(scale):
    updates = torch.randn(6, 20, generator=torch.Generator().manual_seed(0))

    big, along = principal(rows.squared_distances(updates * scale), torch.ones(6))

    assert big == pytest.approx(reference(updates, torch.ones(6))[0] * scale**2, rel=1e-5)
    assert along.isfinite().all()
