import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.norm_clipping import NormClipping


def test_golden_vector(info, x3):
    """Bound 2 on (1, 2, 3)."""
    out = NormClipping(max_norm=2).transform(x3, (), info(x3)).updates

    torch.testing.assert_close(out[0], torch.tensor([0.53452248, 1.06904497, 1.60356745]))


def test_leaves_short_updates_as_they_are(info, x3):
    out = NormClipping(max_norm=20).transform(x3, (), info(x3)).updates

    assert out.equal(x3)


@settings(deadline=None, max_examples=50)
@given(size=st.floats(0, 1e19), max_norm=st.floats(1e-3, 1e3))
def test_no_update_is_longer_than_the_bound(info, size, max_norm):
    updates = torch.tensor([[size, -size, 0.0], [0.0, 0.0, 0.0]])

    out = NormClipping(max_norm=max_norm).transform(updates, (), info(updates)).updates

    assert (out.norm(dim=1) <= max_norm * (1 + 1e-5)).all()


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="max_norm"):
        NormClipping(max_norm=wrong)
