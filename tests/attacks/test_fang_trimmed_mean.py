import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.fang_trimmed_mean import FangTrimmedMean
from fedrobust.strategies.trimmed_mean import TrimmedMean

MANY = 4000  # clients who draw, so that the extremes of what they draw show


def range_of(view, honest, **fields):
    """Return the lowest and highest number sent in each coordinate."""
    attack = FangTrimmedMean(**fields)
    sent, _ = attack.craft(view(torch.zeros(MANY, honest.shape[1]), honest), ())
    return sent.amin(dim=0).tolist(), sent.amax(dim=0).tolist()


@pytest.mark.parametrize(
    ("honest", "expected"),
    [
        ([1.0, 3.0, 5.0], (0.5, 1.0)),
        ([-2.0, 3.0, 5.0], (-4.0, -2.0)),
        ([-1.0, -3.0, -5.0], (-1.0, -0.5)),
        ([2.0, -3.0, -5.0], (2.0, 4.0)),
    ],
)
def test_each_of_the_four_cases_of_the_paper(view, honest, expected):
    """Up or down, and zero on this or that side of the extreme; b = 2."""
    low, high = range_of(view, torch.tensor(honest)[:, None])

    assert low[0] == pytest.approx(expected[0], abs=0.01)
    assert high[0] == pytest.approx(expected[1], abs=0.01)


def test_every_coordinate_is_attacked_whatever_its_sign(view):
    """A gate that some implementations have leaves coordinates that decrease at zero."""
    honest = torch.tensor([[1.0, -1.0], [2.0, -2.0]])

    low, high = range_of(view, honest, stretch=3)

    assert low == pytest.approx([1 / 3, -1], abs=0.01)
    assert high == pytest.approx([1, -1 / 3], abs=0.01)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), stretch=st.floats(1, 10))
def test_no_number_lies_among_the_honest_ones(view, seed, stretch):
    honest = torch.randn(7, 30, generator=torch.Generator().manual_seed(seed))

    attack = FangTrimmedMean(stretch=stretch)
    sent, _ = attack.craft(view(torch.zeros(3, 30), honest, seed=seed), ())

    decreasing = honest.mean(dim=0) < 0
    assert (sent >= honest.amax(dim=0))[:, decreasing].all()
    assert (sent <= honest.amin(dim=0))[:, ~decreasing].all()


def test_the_trimmed_mean_turns_to_the_harmful_side_in_every_coordinate(view, info):
    honest = torch.randn(8, 50, generator=torch.Generator().manual_seed(0))
    sent, _ = FangTrimmedMean().craft(view(torch.zeros(2, 50), honest), ())
    rows, mean = torch.cat([honest, sent]), honest.mean(dim=0)

    update = TrimmedMean().aggregate(rows, (), info(rows, num_malicious=2)).update

    assert ((update - mean) * mean.sign() < 0).all()


def test_clients_send_different_numbers(view):
    sent, _ = FangTrimmedMean().craft(view(torch.zeros(2, 3), torch.randn(4, 3)), ())

    assert not sent[0].equal(sent[1])


def test_with_partial_knowledge_it_draws_three_to_four_deviations_away(view):
    """Worked by hand: means 3 and -3, and a deviation of 2 with n - 1 in its denominator."""
    own = torch.tensor([[1.0, -1.0], [3.0, -3.0], [5.0, -5.0]])
    attack = FangTrimmedMean()

    drawn = torch.cat([attack.craft(view(own, seed=s), ())[0] for s in range(500)])

    assert drawn.amin(dim=0).tolist() == pytest.approx([-5, 3], abs=0.02)
    assert drawn.amax(dim=0).tolist() == pytest.approx([-3, 5], abs=0.02)


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_one_client_that_sees_only_itself_sends_what_it_learned(view, value):
    own = torch.full((1, 3), value)

    sent, _ = FangTrimmedMean().craft(view(own, num_clients=9, num_controlled=2), ())

    assert sent.equal(own)


def test_where_nothing_was_learned_it_sends_nothing(view):
    sent, _ = FangTrimmedMean().craft(view(torch.ones(2, 3), torch.zeros(4, 3)), ())

    assert not sent.any()


def test_one_honest_update_is_both_extremes(view):
    low, high = range_of(view, torch.tensor([[4.0, -4.0]]))

    assert low == pytest.approx([2, -4], abs=0.01)
    assert high == pytest.approx([4, -2], abs=0.01)


def test_huge_updates_stay_finite(view):
    honest = torch.randn(5, 10, generator=torch.Generator().manual_seed(0)) * 1e18

    sent, _ = FangTrimmedMean(stretch=1e6).craft(view(torch.zeros(2, 10), honest), ())

    assert sent.isfinite().all()


@pytest.mark.parametrize("wrong", [0.5, -2, float("inf")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="stretch"):
        FangTrimmedMean(stretch=wrong)
