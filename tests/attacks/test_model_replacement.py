import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.model_replacement import ModelReplacement
from fedrobust.core.aggregator import Mean


def sent(view, own, n, m, **fields):
    return ModelReplacement(**fields).craft(view(own, num_clients=n, num_controlled=m), ())[0]


@pytest.mark.parametrize(
    ("n", "m", "server_lr", "factor"),
    [(20, 1, 1.0, 20), (20, 4, 1.0, 5), (10, 1, 0.1, 100), (6, 4, 3.0, 0.5)],
)
def test_the_factor_is_n_over_the_learning_rate_times_m(view, n, m, server_lr, factor):
    own = torch.tensor([[1.0, -2.0]])

    torch.testing.assert_close(sent(view, own, n, m, server_lr=server_lr), factor * own)


def test_among_clients_at_rest_the_mean_is_the_attacker_s_model(view, info):
    own = torch.tensor([[0.1, -2.3, 0.0]])
    rows = torch.cat([torch.zeros(7, 3), sent(view, own, 8, 1)])

    assert Mean().aggregate(rows, (), info(rows)).update.equal(own[0])


def test_several_replace_it_by_the_mean_of_their_models(view, info):
    own = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([torch.zeros(9, 5), sent(view, own, 12, 3)])

    torch.testing.assert_close(Mean().aggregate(rows, (), info(rows)).update, own.mean(dim=0))


def test_a_server_that_takes_short_steps_is_given_longer_updates(view, info):
    own = torch.tensor([[1.0, 2.0]])
    rows = torch.cat([torch.zeros(3, 2), sent(view, own, 4, 1, server_lr=0.1)])

    torch.testing.assert_close(0.1 * Mean().aggregate(rows, (), info(rows)).update, own[0])


def test_a_client_that_sees_itself_only_knows_how_many_they_are(view):
    own = torch.tensor([[1.0, 1.0], [3.0, 0.0]])

    together = sent(view, own, 10, 2)

    alone = torch.cat([sent(view, row[None], 10, 2) for row in own])
    assert together.equal(alone)


def test_a_factor_overrules_the_number_of_clients(view):
    assert sent(view, torch.ones(2, 2), 10, 2, factor=3).tolist() == [[3, 3], [3, 3]]


def test_scales_as_far_as_the_bound_allows(view):
    """Worked by hand: lengths 5, 0.5, 50 and 0, at most 4 times as long and at most 10."""
    own = torch.tensor([[3.0, 4.0], [0.3, 0.4], [30.0, -40.0], [0.0, 0.0]])

    scaled = sent(view, own, 16, 4, max_norm=10)

    torch.testing.assert_close(
        scaled, torch.tensor([[6.0, 8.0], [1.2, 1.6], [6.0, -8.0], [0.0, 0.0]])
    )


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 999),
    exponent=st.integers(-30, 30),
    bound=st.floats(1e-3, 1e3),
    factor=st.floats(0.1, 1e3),
)
def test_is_train_and_scale_up_to_the_factor(view, seed, exponent, bound, factor):
    own = torch.randn(3, 7, generator=torch.Generator().manual_seed(seed)) * 10.0**exponent

    scaled = sent(view, own, 10, 3, max_norm=bound, factor=factor)

    exact = own.double().numpy()
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    expected = np.minimum(factor, bound / lengths) * exact
    np.testing.assert_allclose(scaled.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("fields", [{}, {"max_norm": 1e30}])
@pytest.mark.parametrize("size", [0.0, 1e-45, 1e37, 3e38])
def test_what_is_sent_is_finite(view, size, fields):
    own = size * torch.tensor([[1.0, -1.0, 0.0]])

    scaled = sent(view, own, 1000, 1, **fields)

    assert scaled.isfinite().all()
    assert scaled.sign().equal(own.sign())


def test_leaves_its_arguments_alone(view):
    own = torch.ones(2, 2)

    sent(view, own, 10, 2)

    assert own.equal(torch.ones(2, 2))


@pytest.mark.parametrize("wrong", [{"factor": 0}, {"max_norm": -1}, {"server_lr": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ModelReplacement(**wrong)
