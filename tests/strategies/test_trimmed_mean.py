import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.trimmed_mean import TrimmedMean


def test_golden_vectors(aggregate, x3, x7):
    assert aggregate(TrimmedMean(), x3, f=1).update.tolist() == [4, 5, 6]
    expected = torch.tensor([4, -5 / 3, 8 / 3])
    torch.testing.assert_close(aggregate(TrimmedMean(), x7, f=2).update, expected)


def test_is_the_mean_when_nobody_is_malicious(aggregate, x7):
    torch.testing.assert_close(aggregate(TrimmedMean(), x7, f=0).update, x7.mean(dim=0))


def test_its_own_number_comes_before_the_server_s(aggregate, x7):
    own = aggregate(TrimmedMean(num_malicious=3), x7, f=1).update

    assert own.tolist() == [4, -2, 3]  # all but the median


@pytest.mark.parametrize("f", [1, 3, 4])
def test_equals_a_plain_loop_in_float64(aggregate, hard, f):
    columns = [sorted(column)[f : len(hard) - f] for column in hard.double().T.tolist()]
    expected = [sum(column) / len(column) for column in columns]

    out = aggregate(TrimmedMean(), hard, f)

    atol = 1e-7 * hard.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), expected, rtol=1e-6, atol=atol)


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(-1e30, 1e30), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_f_updates_of_any_size_stay_within_the_honest_range(aggregate, sizes, seed):
    honest = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    updates = torch.cat([torch.tensor(sizes)[:, None].expand(3, 5), honest])

    out = aggregate(TrimmedMean(), updates, f=3).update

    assert (out >= honest.min(dim=0).values - 1e-6).all()
    assert (out <= honest.max(dim=0).values + 1e-6).all()


def test_rejects(aggregate, x7):
    with pytest.raises(ValueError, match="num_malicious"):
        TrimmedMean(num_malicious=-1)
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(TrimmedMean(), x7, f=4)
