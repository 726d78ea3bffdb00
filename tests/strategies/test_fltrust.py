from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import AggregationError
from fedrobust.strategies.fltrust import FLTrust
from tests.components import Beacon


@pytest.fixture(scope="module")
def guided(info):
    """Return a function that lets it aggregate a round of a server with an update."""

    def run(updates, guide):
        return FLTrust().aggregate(updates, (), replace(info(updates), root=Beacon(guide)))

    return run


def test_trusts_by_the_angle_and_scales_to_the_server_s_length(guided):
    """Worked by hand: cosines 1, 3/5, -1, 0 with (2, 0), to whose length all are scaled.

    (1 * (2, 0) + 3/5 * (1.2, 1.6)) / (8/5) = (1.7, 0.6).
    """
    updates = torch.tensor([[0.5, 0.0], [3.0, 4.0], [-1e6, 0.0], [0.0, 7.0]])

    out = guided(updates, torch.tensor([2.0, 0.0]))

    torch.testing.assert_close(out.scores, torch.tensor([1.0, 0.6, 0.0, 0.0]).double())
    torch.testing.assert_close(out.update, torch.tensor([1.7, 0.6]))
    torch.testing.assert_close(out.weights, torch.tensor([5 / 8, 3 / 8, 0.0, 0.0]))


def test_weights_tell_what_updates_contribute_once_they_have_the_same_length(guided, x7):
    guide = torch.tensor([1.0, -1.0, 2.0])

    out = guided(x7, guide)

    scaled = x7 / x7.norm(dim=1, keepdim=True) * guide.norm()
    torch.testing.assert_close(out.weights @ scaled, out.update)


@pytest.mark.parametrize("length", [1e-20, 1e-6, 1.0, 1e18])
def test_an_update_that_is_hardly_trusted_has_a_small_weight_however_short_it_is(guided, length):
    """Worked by hand: cosines of 1, 1 and 1 / 1000."""
    updates = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.001 * length, length]])

    out = guided(updates, torch.tensor([1.0, 0.0]))

    torch.testing.assert_close(out.weights, torch.tensor([1.0, 1.0, 1e-3]) / 2.001)


@pytest.mark.parametrize("updates", [[[-1.0, 0.0], [0.0, 5.0]], [[0.0, 0.0]], [[-1e18, 3.0]]])
def test_if_no_update_is_trusted_the_server_is_the_only_client(guided, updates):
    """And not the mean of updates none of which is trusted."""
    guide = torch.tensor([2.0, 0.0])

    out = guided(torch.tensor(updates), guide)

    assert out.update.equal(guide)
    assert out.weights.tolist() == [0] * len(updates)


def test_without_an_update_of_its_own_length_nothing_moves(guided, x7):
    assert guided(x7, torch.zeros(3)).update.tolist() == [0, 0, 0]


def test_clients_who_send_nothing_have_no_say(guided, x7):
    guide = torch.tensor([1.0, -1.0, 2.0])
    idle = torch.cat([torch.zeros(2, 3), x7])

    out = guided(idle, guide)

    torch.testing.assert_close(out.update, guided(x7, guide).update)
    assert out.weights[:2].tolist() == [0, 0]
    assert out.scores[:2].tolist() == [0, 0]


def test_equals_a_plain_loop_in_float64(guided, hard):
    guide = hard[:4].mean(dim=0)
    g = guide.double().numpy()
    total, trusted = 0.0, 0.0
    for row in hard.double().numpy():
        trust = max(0.0, row @ g / np.linalg.norm(row) / np.linalg.norm(g))
        total = total + trust * row / np.linalg.norm(row) * np.linalg.norm(g)
        trusted += trust

    out = guided(hard, guide)

    atol = 1e-6 * guide.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), total / trusted, rtol=1e-5, atol=atol)
    assert out.scores.sum().item() == pytest.approx(trusted)


@pytest.mark.parametrize("length", [1e-30, 1e-3, 1.0, 1e18])
def test_how_long_an_update_is_does_not_matter(guided, x7, length):
    guide = torch.tensor([1.0, -1.0, 2.0])
    scaled = torch.cat([length * x7[:1], x7[1:]])

    once, again = guided(scaled, guide), guided(x7, guide)

    torch.testing.assert_close(once.update, again.update)
    torch.testing.assert_close(once.weights, again.weights)


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(st.floats(-1e18, 1e18), min_size=3, max_size=3), min_size=1),
    length=st.sampled_from([1e-20, 1.0, 1e18]),
    seed=st.integers(0, 9),
)
def test_is_no_longer_than_the_server_s_and_never_against_it(guided, rows, length, seed):
    """Whoever is malicious, and however many."""
    guide = length * torch.randn(3, generator=torch.Generator().manual_seed(seed))

    out = guided(torch.tensor(rows), guide)

    assert out.weights.isfinite().all()
    assert out.update.double().norm() <= guide.double().norm() * (1 + 1e-5)
    assert out.update.double() @ guide.double() >= -1e-6 * guide.double().square().sum()


def test_a_server_without_examples_cannot_use_it(aggregate, x7):
    assert FLTrust().needs_root
    with pytest.raises(AggregationError, match="fltrust needs examples of the server's own"):
        aggregate(FLTrust(), x7)
    with pytest.raises(ValueError, match="root_size"):
        FLTrust(root_size=100)
