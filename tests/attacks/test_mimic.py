import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.mimic import Mimic
from fedrobust.strategies.geometric_median import GeometricMedian


def spread(n=8, d=5, seed=0):
    """Honest updates that vary most along the first coordinate."""
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * 0.1
    rows[:, 0] = torch.arange(n) - n / 2
    return rows


def test_copies_one_end_of_the_main_direction(view):
    """Its clients are 0 and 1; the honest ones 2 to 9."""
    attack, honest = Mimic(), spread()

    sent, state = attack.craft(view(torch.zeros(2, 5), honest), attack.init(honest[0]))

    assert state["client"] in (2, 9)
    assert sent.equal(honest[state["client"] - 2].expand(2, 5))
    assert abs(state["direction"][0]) > 0.95


def test_it_keeps_to_its_client_once_it_has_warmed_up(view):
    attack, honest = Mimic(), spread()
    _, state = attack.craft(view(torch.zeros(2, 5), honest), attack.init(honest[0]))
    other = torch.randn(8, 5, generator=torch.Generator().manual_seed(9))

    sent, after = attack.craft(view(torch.zeros(2, 5), other), state)

    assert after["client"] == state["client"]
    assert sent[0].equal(other[state["client"] - 2])


def test_a_longer_warmup_averages_directions_as_oja_does(view):
    """Against the formulas, in float64."""
    attack, rounds = Mimic(warmup=3), [spread(seed=s) for s in range(3)]
    state, center, z = attack.init(rounds[0][0]), 0.0, None
    for t, honest in enumerate(rounds):
        _, state = attack.craft(view(torch.zeros(1, 5), honest, seed=t), state)
        g, old = honest.double(), t / (1 + t)
        center = old * center + (1 - old) * g.mean(dim=0)
        start = torch.randn(5, generator=torch.Generator().manual_seed(0)) if z is None else z
        turned = ((g - center) @ start.double()) @ (g - center)
        z = (0 if z is None else old * z) + (1 - old) * turned / turned.norm()
        z = z / z.norm()

    torch.testing.assert_close(state["direction"].double(), z, atol=1e-5, rtol=0)
    torch.testing.assert_close(state["center"].double(), center, atol=1e-6, rtol=0)


def test_if_its_client_is_absent_it_takes_the_farthest_there_is_and_says_so_once(view, caplog):
    attack, honest = Mimic(client=99), spread()

    with caplog.at_level(logging.WARNING):
        sent, state = attack.craft(view(torch.zeros(2, 5), honest), attack.init(honest[0]))
        _, state = attack.craft(view(torch.zeros(2, 5), honest), state)

    assert any(sent[0].equal(row) for row in (honest[0], honest[-1]))
    assert state["client"] == 99
    assert [r.message[:30] for r in caplog.records] == ["Mimic sees no honest client 99"]


def test_the_simple_form_copies_a_client_chosen_beforehand(view, caplog):
    """The golden vector of the fixed form: the first of three."""
    honest = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    attack = Mimic(client=1)

    sent, _ = attack.craft(view(torch.zeros(1, 3), honest), attack.init(honest[0]))

    assert sent.tolist() == [[1, 2, 3]]
    assert not caplog.records


def test_without_omniscience_it_copies_one_of_its_own(view):
    own, attack = spread(), Mimic()

    sent, _ = attack.craft(view(own), attack.init(own[0]))

    assert any(sent[0].equal(row) for row in own)


@pytest.mark.parametrize("size", [1e-30, 1e-15, 1e-8, 1.0, 1e8, 1e15, 1e18, 1e25])
def test_the_direction_does_not_depend_on_how_large_updates_are(view, size):
    attack, honest = Mimic(warmup=2), spread(d=20_000)

    states = []
    for scale in (1.0, size):
        state = attack.init(honest[0])
        for t in range(3):
            seen = view(torch.zeros(2, 20_000), scale * (honest + t), seed=t)
            sent, state = attack.craft(seen, state)
        states.append(state)

    torch.testing.assert_close(states[1]["direction"], states[0]["direction"], rtol=0, atol=1e-5)
    assert states[1]["client"] == states[0]["client"]
    assert states[0]["direction"].norm().item() == pytest.approx(1)
    assert sent.isfinite().all()


def test_a_common_offset_does_not_hide_who_is_farthest(view):
    """In float32, 1e6 leaves steps of 0.06: products with a direction lose what sets rows apart."""
    honest = 1e6 + spread(d=2000)
    attack = Mimic()

    sent, state = attack.craft(view(torch.zeros(2, 2000), honest), attack.init(honest[0]))

    along = (honest.double() - honest.double().mean(dim=0)) @ state["direction"]
    assert sent[0].equal(honest[along.argmax()])
    assert state["client"] in (2, 9)


def test_rounds_in_which_all_are_alike_do_not_end_the_search(view):
    attack, same = Mimic(warmup=3), torch.ones(8, 5)

    _, state = attack.craft(view(torch.zeros(2, 5), same), attack.init(same[0]))
    assert state["direction"].tolist() == [0] * 5
    _, state = attack.craft(view(torch.zeros(2, 5), spread()), state)

    assert abs(state["direction"][0]) > 0.95


def test_where_it_sees_only_its_own_an_id_is_not_a_place_among_them(view, caplog):
    """Its fourth client is not client 3."""
    own, attack = spread(), Mimic(client=3)

    with caplog.at_level(logging.WARNING):
        sent, state = attack.craft(view(own), attack.init(own[0]))
        attack.craft(view(own), state)

    assert any(sent[0].equal(row) for row in (own[0], own[-1]))
    assert [r.message[:29] for r in caplog.records] == ["Mimic sees no honest client 3"]


def test_of_its_own_it_keeps_to_one_as_well(view):
    own, attack = spread(), Mimic()
    sent, state = attack.craft(view(own), attack.init(own[0]))
    place = int((own == sent[0]).all(dim=1).nonzero()[0, 0])

    later, _ = attack.craft(view(own.flip(0)), state)

    assert later[0].equal(own.flip(0)[place])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99))
def test_what_it_sends_is_an_honest_update(view, seed):
    honest = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))
    attack = Mimic()

    sent, _ = attack.craft(view(torch.zeros(3, 4), honest, seed=seed), attack.init(honest[0]))

    assert (sent[0] == honest).all(dim=1).any()
    assert sent.equal(sent[:1].expand(3, 4))


def test_it_moves_the_geometric_median_of_clients_who_differ(view, info):
    """Two groups of five: three copies of one decide which side is the middle."""
    honest = torch.cat([torch.full((5, 1), -1.0), torch.full((5, 1), 1.0)])
    honest = honest + 0.1 * torch.randn(10, 1, generator=torch.Generator().manual_seed(0))
    attack, rule = Mimic(), GeometricMedian()

    sent, _ = attack.craft(view(torch.zeros(3, 1), honest), attack.init(honest[0]))
    rows = torch.cat([honest, sent])

    alone = rule.aggregate(honest, (), info(honest)).update
    attacked = rule.aggregate(rows, (), info(rows)).update
    assert abs(attacked.item() - alone.item()) > 0.7
    assert abs(alone.item()) < 0.2


@pytest.mark.parametrize("wrong", [{"warmup": 0}, {"client": -1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Mimic(**wrong)
