import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.attacks.loss_inflation import LossInflation
from fedrobust.attacks.sample_count_inflation import SampleCountInflation
from fedrobust.core.admission import claimed_losses
from fedrobust.core.adversary import Adversary, Knowledge

LOSSES = torch.tensor([0.5, 0.0, 2.0], dtype=torch.float64)


def test_claims_to_lose_so_many_times_as_much():
    before = LOSSES.clone()

    assert LossInflation(factor=2.5).losses(LOSSES).tolist() == [1.25, 0, 5]
    assert before.equal(LOSSES)


@given(factor=st.floats(1e-3, 1e308), loss=st.floats(0, 1e300))
def test_a_claim_is_finite_whatever_the_factor(factor, loss):
    claims = LossInflation(factor=factor).losses(torch.tensor([loss], dtype=torch.float64))

    assert claims.isfinite().all()


def test_its_clients_train_as_if_it_were_not_there():
    assert LossInflation().inert


def test_lies_of_one_kind_multiply_and_leave_the_other_alone():
    attacks = (LossInflation(), SampleCountInflation(factor=3), LossInflation(factor=2))
    adversary = Adversary(attacks, frozenset({0, 1, 2}), Knowledge.OWN)

    assert adversary.losses(LOSSES).tolist() == [10, 0, 40]
    assert adversary.claims(LOSSES).tolist() == [1.5, 0, 6]


def test_the_server_believes_a_hundred_times_the_median_at_most():
    lies = LossInflation(factor=1e9).losses(LOSSES[:1]).tolist()

    assert claimed_losses([0.4, 0.5, 0.6, 0.7, *lies]).tolist() == [0.4, 0.5, 0.6, 0.7, 60.0]


@pytest.mark.parametrize("factor", [0, -1])
def test_rejects(factor):
    with pytest.raises(ValueError, match="factor"):
        LossInflation(factor=factor)
