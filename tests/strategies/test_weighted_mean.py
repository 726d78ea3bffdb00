from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.admission import claimed_examples
from fedrobust.core.aggregator import Mean
from fedrobust.strategies.weighted_mean import WeightedMean


@pytest.fixture(scope="module")
def weigh(info):
    """Return a function that averages the updates of clients with some claims."""

    def run(rule, updates, claims):
        known = replace(info(updates), examples=torch.tensor(claims, dtype=torch.float32))
        return rule.aggregate(updates, (), known)

    return run


def test_every_example_counts_the_same(weigh):
    """Worked by hand: 60 and 20 examples are weights 3/4 and 1/4."""
    updates = torch.tensor([[4.0, 0.0], [0.0, 8.0]])

    out = weigh(WeightedMean(examples="claimed"), updates, [60, 20])

    assert out.update.tolist() == [3.0, 2.0]
    assert out.weights.tolist() == [0.75, 0.25]


def test_claims_are_capped_at_a_multiple_of_their_median(weigh, x3):
    """Worked by hand: the median is 20; capped at it, claims are 20, 10, 20; at twice that, 40."""
    once = weigh(WeightedMean(), x3, [1e9, 10, 20])
    twice = weigh(WeightedMean(cap=2), x3, [1e9, 10, 20])

    torch.testing.assert_close(once.weights, torch.tensor([0.4, 0.2, 0.4]))
    torch.testing.assert_close(twice.weights, torch.tensor([4 / 7, 1 / 7, 2 / 7]))


def test_of_an_even_number_of_claims_the_lower_middle_one_is_the_median(weigh):
    """Midway between them, one liar of two would be the median's half and own the model."""
    out = weigh(WeightedMean(), torch.tensor([[0.0], [1.0]]), [60, 1e30])

    assert out.weights.tolist() == [0.5, 0.5]


def test_by_itself_it_takes_claims_at_their_word(weigh, x3):
    out = weigh(WeightedMean(examples="claimed"), x3, [10, 10, 1e9])

    torch.testing.assert_close(out.update, x3[2])


@pytest.mark.parametrize(("n", "share"), [(3, 100 / 102), (20, 100 / 119), (1000, 100 / 1099)])
@pytest.mark.parametrize("claim", [1e9, 10**300, 1000])
def test_behind_a_server_a_claim_counts_at_most_a_hundred_times_the_median(weigh, n, share, claim):
    """Worked by hand: all others claim 10; most of the weight of 20, little of that of 1000."""
    counted, _ = claimed_examples([claim, *[10] * (n - 1)])

    out = weigh(WeightedMean(examples="claimed"), torch.eye(n), counted.tolist())

    assert out.weights[0].item() == pytest.approx(share, rel=1e-5)


def test_behind_a_server_a_claim_of_nothing_counts_as_one_example(weigh):
    """Worked by hand: 1 of 1 + 10 + 10."""
    counted, notes = claimed_examples([0, 10, 10])

    out = weigh(WeightedMean(examples="claimed"), torch.eye(3), counted.tolist())

    torch.testing.assert_close(out.weights, torch.tensor([1 / 21, 10 / 21, 10 / 21]))
    assert notes[0] == "claims 0 examples, counted as 1"


@pytest.mark.parametrize("examples", ["capped", "claimed", "ignored"])
@pytest.mark.parametrize("claims", [[0, 0, 0], [7, 7, 7], [float("nan")] * 3, [-1, -5, 0]])
def test_without_claims_that_differ_it_is_the_mean(weigh, info, x3, examples, claims):
    out = weigh(WeightedMean(examples=examples), x3, claims)

    assert out.update.equal(Mean().aggregate(x3, (), info(x3)).update)


@pytest.mark.parametrize("claims", [[5, 1, 1000], [0, 0, 1e30]])
def test_claims_can_be_ignored(weigh, x3, claims):
    torch.testing.assert_close(
        weigh(WeightedMean(examples="ignored"), x3, claims).weights, torch.full((3,), 1 / 3)
    )


@pytest.mark.parametrize("examples", ["capped", "claimed"])
def test_equals_a_plain_loop_in_float64(weigh, hard, examples):
    claims = [3 + 7 * i % 11 for i in range(len(hard))]
    cap = sorted(claims)[(len(claims) - 1) // 2] if examples == "capped" else max(claims)
    counted = [min(claim, cap) for claim in claims]
    rows = hard.double().numpy()
    expected = sum(c / sum(counted) * row for c, row in zip(counted, rows, strict=True))

    out = weigh(WeightedMean(examples=examples), hard, claims)

    atol = 1e-6 * hard.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), expected, rtol=1e-5, atol=atol)


_CLAIMS = st.floats(0, 2.0**127, width=32) | st.sampled_from(
    [0.0, 1e-40, float("inf"), float("nan")]
)


@settings(deadline=None)
@given(claims=st.lists(_CLAIMS, min_size=1, max_size=9), cap=st.floats(0.1, 10))
def test_a_client_counts_at_most_twice_the_cap_whatever_it_claims(weigh, claims, cap):
    n = len(claims)

    out = weigh(WeightedMean(cap=cap), torch.eye(n), claims)

    assert out.weights.sum() == pytest.approx(1)
    assert (out.weights >= 0).all()
    assert out.weights.max() * n <= 2 * max(cap, 1) * (1 + 1e-5)


@pytest.mark.parametrize("claims", [[float("inf"), 1, 1], [float("inf")] * 3, [1e-45, 1e-45, 0]])
def test_is_finite_on_any_claims_taken_at_their_word(weigh, x3, claims):
    out = weigh(WeightedMean(examples="claimed"), x3, claims)

    assert out.update.isfinite().all()
    assert out.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("wrong", [{"examples": "honest"}, {"cap": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WeightedMean(**wrong)
