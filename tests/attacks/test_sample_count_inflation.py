import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.attacks.free_rider import FreeRider
from fedrobust.attacks.sample_count_inflation import SampleCountInflation
from fedrobust.core.admission import claimed_examples
from fedrobust.core.adversary import Adversary, Knowledge

EXAMPLES = torch.tensor([60.0, 0.0, 7.0], dtype=torch.float64)


def test_claims_so_many_times_what_there_is():
    assert SampleCountInflation(factor=2.5).claims(EXAMPLES).tolist() == [150, 0, 17.5]


def test_claims_what_it_is_told_to():
    claims = SampleCountInflation(factor=3, count=1000).claims(EXAMPLES)

    assert claims.tolist() == [1000] * 3
    assert claims.dtype == torch.float64


def test_leaves_the_truth_as_it_was():
    before = EXAMPLES.clone()

    SampleCountInflation().claims(EXAMPLES)

    assert before.equal(EXAMPLES)


@given(factor=st.floats(1e-3, 1e308), examples=st.floats(0, 1e300))
def test_a_claim_can_be_sent_whatever_the_factor(factor, examples):
    """As a whole number of 64 bits."""
    (claim,) = SampleCountInflation(factor=factor).claims(
        torch.tensor([examples], dtype=torch.float64)
    )

    assert 0 <= int(claim) < 2**63


def test_its_clients_train_as_if_it_were_not_there():
    assert SampleCountInflation().inert


def test_lies_multiply_and_go_with_other_attacks(view):
    attacks = (SampleCountInflation(), FreeRider(), SampleCountInflation(factor=2))
    adversary = Adversary(attacks, frozenset({0, 1, 2}), Knowledge.OWN)

    assert adversary.claims(EXAMPLES).tolist() == [1200, 0, 140]
    assert not all(attack.trains for attack in adversary.attacks)


def test_the_server_believes_a_hundred_times_the_median_at_most():
    lie = SampleCountInflation(count=10**9).claims(EXAMPLES[:1])

    counted, notes = claimed_examples([60, 50, 40, *lie.tolist()])

    assert counted.tolist() == [60, 50, 40, 6000]
    assert "counted as 6000" in notes[3]


@pytest.mark.parametrize("wrong", [{"factor": 0}, {"factor": -2}, {"count": 0}, {"count": 2**60}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SampleCountInflation(**wrong)
