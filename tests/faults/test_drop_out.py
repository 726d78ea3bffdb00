"""How often clients drop out, for how long, and which of them."""

from itertools import groupby, pairwise
from math import sqrt

import pytest

from fedrobust.faults.drop_out import DropOut

ROUNDS, CLIENTS = 500, 20
BURSTS = DropOut(probability=0.1, recovery=0.3)  # down for a quarter of the time


def near(share, tries, seen, correlation=1.0):
    """Say whether a share is within five standard deviations of what was seen of it."""
    return abs(seen / tries - share) < 5 * sqrt(correlation * share * (1 - share) / tries)


@pytest.mark.parametrize("probability", [0.01, 0.05, 0.5])
def test_clients_drop_out_with_the_probability(played, befallen, probability):
    lost = befallen(played(DropOut(probability=probability), CLIENTS, ROUNDS))

    assert near(probability, CLIENTS * ROUNDS, lost.total())
    assert all(near(probability, ROUNDS, lost[client]) for client in range(CLIENTS))


def test_nobody_and_everybody(played):
    nobody, everybody = played(DropOut(probability=0)), played(DropOut(probability=1))

    assert all(not out.fates for out in nobody.values())
    assert all(len(out.fates) == 20 for out in everybody.values())
    assert {fate for out in everybody.values() for fate in out.fates.values()} == {
        ("dropped out", 0, None)
    }


def test_rounds_have_nothing_to_do_with_each_other_without_recovery(played):
    """Of clients that were down, as many are down again."""
    rounds = list(played(DropOut(probability=0.3), CLIENTS, ROUNDS).values())
    pairs = [(c in a.fates, c in b.fates) for a, b in pairwise(rounds) for c in range(CLIENTS)]

    down = [after for before, after in pairs if before]

    assert near(0.3, len(down), sum(down))


def test_a_chain_is_down_for_its_stationary_share(played, befallen):
    """Worked by hand: 0.1 / (0.1 + 0.3), with neighbouring rounds correlated by 1 - 0.1 - 0.3."""
    lost = befallen(played(BURSTS, CLIENTS, ROUNDS)).total()

    assert near(0.25, CLIENTS * ROUNDS, lost, correlation=(1 + 0.6) / (1 - 0.6))


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_it_is_from_the_first_round_on(played, share):
    mishap = DropOut(probability=0.1, recovery=0.3, share=share)

    first = played(mishap, 4000, rounds=1)[1].fates

    assert near(0.25 * share, 4000, len(first))


def test_outages_last_one_over_recovery_rounds(played):
    """Worked by hand: a geometric length of mean 1 / 0.3 and variance 0.7 / 0.09."""
    rounds = played(BURSTS, CLIENTS, ROUNDS)
    lengths = [
        len(list(run))
        for client in range(CLIENTS)
        for down, run in groupby(client in out.fates for out in rounds.values())
        if down
    ]

    mean = sum(lengths) / len(lengths)

    assert len(lengths) > 500
    assert abs(mean - 1 / 0.3) < 5 * sqrt(0.7 / 0.09 / len(lengths))


def test_an_outage_goes_on_while_nobody_asks(played):
    """A client is down in the rounds in which it is down, whether or not it takes part."""
    watched = played(BURSTS, 5, 60)
    sometimes = played(BURSTS, lambda round: range(5) if round % 7 == 0 else (), 60)

    for round in range(7, 61, 7):
        assert sometimes[round].fates == watched[round].fates
    assert any(out.fates for out in sometimes.values())


def test_a_chain_that_recovers_at_once_is_no_chain(played, befallen):
    """Worked by hand: down with p / (p + 1) in the long run, and never twice in a row."""
    rounds = list(played(DropOut(probability=0.5, recovery=1.0), CLIENTS, ROUNDS).values())

    lost = befallen(dict(enumerate(rounds))).total()

    assert all(not a.fates.keys() & b.fates.keys() for a, b in pairwise(rounds))
    assert near(1 / 3, CLIENTS * ROUNDS, lost)  # even nearer: rounds take turns


@pytest.mark.parametrize("recovery", [None, 0.5])
def test_only_a_share_of_the_clients_ever_drops_out(played, befallen, recovery):
    mishap = DropOut(probability=0.5, recovery=recovery, share=0.3)

    lost = befallen(played(mishap, 400, 30))

    assert near(0.3, 400, len(lost))
    assert min(lost.values()) > 1


@pytest.mark.parametrize(
    "wrong", [{"probability": -0.1}, {"probability": 1.1}, {"recovery": 0}, {"share": 0}]
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DropOut(**wrong)
