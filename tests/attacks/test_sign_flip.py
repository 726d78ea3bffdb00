import pytest
import torch

from fedrobust.attacks.sign_flip import SignFlip


def test_golden_vector(view):
    sent, _ = SignFlip().craft(view(torch.tensor([[4.0, 5.0, 6.0]])), ())

    assert sent.tolist() == [[-4, -5, -6]]


def test_scales_each_client_s_own_update(view):
    own = torch.tensor([[1.0, 2.0], [-3.0, 0.0]])

    sent, _ = SignFlip(scale=2).craft(view(own, honest=torch.ones(3, 2)), ())

    assert sent.tolist() == [[-2, -4], [6, 0]]


@pytest.mark.parametrize("wrong", [0, -1, float("inf")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="scale"):
        SignFlip(scale=wrong)
