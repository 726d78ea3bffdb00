import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.split import Split
from fedrobust.core import rows


def crafted(view, own, state=None, seed=0, **fields):
    attack = Split(**fields)
    state = attack.init(torch.zeros(own.shape[1])) if state is None else state
    return attack.craft(view(own, seed=seed), state)


def sent(view, own, seed=0):
    return crafted(view, own, seed=seed)[0]


def drawn(m, d, seed=0):
    return torch.randn(m, d, generator=torch.Generator().manual_seed(seed))


def test_each_parameter_is_sent_by_one_with_the_sum_of_all(view):
    """Worked by hand: 1 + 2, 10 + 20, ...; the other sends zero."""
    own = torch.tensor([[1.0, 10.0, 100.0, 1000.0], [2.0, 20.0, 200.0, 2000.0]])

    first, second = sent(view, own)

    assert (first + second).tolist() == [3, 30, 300, 3000]
    assert not (first * second).any()
    assert first.count_nonzero() == second.count_nonzero() == 2


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 999), m=st.integers(1, 7), d=st.integers(1, 30))
def test_the_sum_is_what_it_was_and_shares_are_of_one_size(view, seed, m, d):
    own = drawn(m, d, seed)

    split = sent(view, own, seed)

    torch.testing.assert_close(split.sum(dim=0), own.double().sum(dim=0).float())
    held = (split != 0).sum(dim=1)
    assert held.sum() == d
    assert held.max() - held.min() <= 1


def test_copies_end_up_at_right_angles_and_longer(view):
    own = drawn(1, 10_000).expand(4, -1)

    split = sent(view, own)

    assert torch.cosine_similarity(split[0], split[1], dim=0) == 0
    torch.testing.assert_close(rows.norms(split), 2 * rows.norms(own), rtol=0.05, atol=0)


def test_who_gets_what_is_random(view):
    own = torch.ones(2, 1000)

    one, other = (sent(view, own, seed)[0] for seed in (0, 1))

    assert 400 < (one == other).sum() < 600


def test_in_each_round_they_are_dealt_out_anew(view):
    own = torch.ones(2, 1000)
    first, state = crafted(view, own)

    second, _ = crafted(view, own, state, seed=1)

    assert 400 < (first[0] == second[0]).sum() < 600


def test_dealt_out_once_shares_stay_the_same(view):
    own = drawn(3, 50)
    first, state = crafted(view, own, deal="once")

    second, _ = crafted(view, 2 * own, state, seed=1, deal="once")

    torch.testing.assert_close(second, 2 * first)


def test_dealt_out_once_they_are_dealt_out_again_when_fewer_take_part(view):
    _, state = crafted(view, drawn(3, 50), deal="once")

    fewer, state = crafted(view, drawn(2, 50), state, seed=1, deal="once")
    again, _ = crafted(view, drawn(2, 50), state, seed=2, deal="once")

    assert (fewer != 0).sum(dim=1).tolist() == [25, 25]
    assert again.equal(fewer)


@pytest.mark.parametrize("m", [1, 5])
def test_where_there_is_nothing_to_deal_out(view, m):
    """One colluder keeps all; of five with two parameters, three send nothing."""
    own = drawn(m, 2)

    split = sent(view, own)

    torch.testing.assert_close(split.sum(dim=0), own.sum(dim=0))
    assert (split != 0).any(dim=1).sum() == min(m, 2)


@pytest.mark.parametrize("size", [0.0, 1e-45, 3e38])
def test_updates_of_any_size_stay_finite(view, size):
    split = sent(view, torch.full((4, 8), size))

    assert split.isfinite().all()
    assert (split != 0).any(dim=0).all() == (size > 0)


def test_sums_are_exact_where_large_numbers_cancel(view):
    own = torch.tensor([[1e8], [1.0], [-1e8]])

    assert sent(view, own).sum() == 1.0


def test_leaves_its_arguments_alone(view):
    own, (_, state) = torch.ones(2, 6), crafted(view, torch.ones(2, 6), deal="once")
    owner = state["owner"].clone()

    crafted(view, own, state, seed=1)

    assert own.equal(torch.ones(2, 6))
    assert state["owner"].equal(owner)


def test_rejects():
    with pytest.raises(ValueError, match="deal"):
        Split(deal="never")
