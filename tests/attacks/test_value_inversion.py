import pytest
import torch

from fedrobust.attacks.value_inversion import ValueInversion


def test_inverts_every_value_if_told_to(view):
    own = torch.tensor([[2.0, -4.0, 0.5, -1.0]])

    sent, _ = ValueInversion(share=1).craft(view(own), ())

    assert sent.tolist() == [[0.5, -0.25, 2.0, -1.0]]


def test_inverts_half_of_the_values_and_keeps_the_others(view):
    own = torch.full((3, 10_000), 4.0)

    sent, _ = ValueInversion().craft(view(own), ())

    assert sent.unique().tolist() == [0.25, 4.0]
    inverted = (sent == 0.25).double().mean(dim=1)
    torch.testing.assert_close(inverted, torch.full((3,), 0.5).double(), atol=0.03, rtol=0)


def test_values_around_zero_become_large_and_never_infinite(view):
    """1e-10 is what the authors' code adds, and -1e-10 where it divides by zero."""
    own = torch.tensor([[0.0, 1e-10, -1e-10, 1e-38, -1e-45, 1e18]])

    sent, _ = ValueInversion(share=1).craft(view(own), ())

    torch.testing.assert_close(sent, torch.tensor([[1e10, 1e10, -1e10, 1e10, -1e10, 1e-18]]))


def test_no_share_is_no_attack(view):
    own = torch.tensor([[0.0, 3.0]])

    sent, _ = ValueInversion(share=0).craft(view(own), ())

    assert sent.equal(own)


def test_clients_invert_different_values(view):
    sent, _ = ValueInversion().craft(view(torch.full((2, 60), 4.0)), ())

    assert not sent[0].equal(sent[1])


@pytest.mark.parametrize("wrong", [{"share": 1.5}, {"share": -0.1}, {"smallest": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ValueInversion(**wrong)
