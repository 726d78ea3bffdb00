import pytest
import torch

from fedrobust.core.aggregator import (
    Aggregate,
    Aggregator,
    Bounded,
    Chain,
    Mean,
    PostAggregator,
    PreAggregator,
    Transformed,
)
from fedrobust.errors import TooManyMalicious


class Shift(PreAggregator):
    """Add the number of rounds it has seen."""

    def init(self, params):
        return 0

    def transform(self, updates, state, info):
        return Transformed(updates + state + 1, state + 1)


class Pairs(PreAggregator):
    """Average rows two by two."""

    def transform(self, updates, state, info):
        mixing = torch.eye(len(updates) // 2).repeat_interleave(2, dim=1) / 2
        return Transformed(mixing @ updates, state, mixing)


class First(Aggregator):
    """Take the first row, and remember who it was said to be from."""

    def aggregate(self, updates, state, info):
        weights = torch.zeros(len(updates))
        weights[0] = 1
        return Aggregate(updates[0], info.clients.tolist(), weights, scores=weights)


class Double(PostAggregator):
    """Double the update, and remember it."""

    def transform(self, update, state, info):
        return 2 * update, update


@pytest.fixture
def line():
    return torch.tensor([[1.0], [3.0], [5.0], [7.0]])


def test_mean_averages(info, line):
    out = Mean().aggregate(line, (), info(line))

    assert out.update.tolist() == [4.0]
    assert out.weights.tolist() == [0.25] * 4


def test_a_chain_folds_updates_and_states(info, line):
    """Worked by hand: (4 + 1) * 2 = 10, and in the second round (4 + 2) * 2 = 12."""
    chain = Chain(before=(Shift(),), rule=Mean(), after=(Double(),))

    first = chain.aggregate(line, chain.init(torch.zeros(1)), info(line))
    second = chain.aggregate(line, first.state, info(line))

    assert (first.update.item(), second.update.item()) == (10.0, 12.0)
    assert first.state == [1, (), torch.tensor([5.0])]
    assert second.state[0] == 2


def test_a_chain_of_one_rule_is_that_rule(info, line):
    out = Chain(rule=First()).aggregate(line, [()], info(line))

    assert out.update.tolist() == [1.0]
    assert out.weights.tolist() == [1, 0, 0, 0]
    assert out.scores.tolist() == [1, 0, 0, 0]


def test_a_chain_tells_the_weights_of_clients_not_of_mixtures(info, line):
    chain = Chain(before=(Pairs(), Shift()), rule=First())

    out = chain.aggregate(line, chain.init(torch.zeros(1)), info(line))

    assert out.update.tolist() == [(1 + 3) / 2 + 1]
    assert out.weights.tolist() == [0.5, 0.5, 0, 0]
    assert out.scores is None
    assert out.state[-1] == [0, 1]  # the rule sees two senders, none of them a client


def test_mixtures_of_mixtures(info, line):
    chain = Chain(before=(Pairs(), Pairs()), rule=First())

    out = chain.aggregate(line, chain.init(torch.zeros(1)), info(line))

    assert out.update.tolist() == [4.0]
    assert out.weights.tolist() == [0.25] * 4


def test_what_is_known_of_mixtures(info, line):
    mixed = info(line, num_malicious=1).mixed(torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 1.0, 0]]))

    assert mixed.examples.tolist() == [1.0, 1.0]
    assert mixed.num_malicious == 1


@pytest.mark.parametrize(
    ("own", "expected", "dropped", "f"),
    [(None, 1, 0, 1), (2, 1, 0, 2), (2, 1, 1, 1), (1, 1, 3, 0), (0, 1, 0, 0)],
)
def test_how_many_malicious_rows_a_stage_reckons_with(info, own, expected, dropped, f):
    """Its own number counts first; replies that were dropped need not be withstood."""
    known = info(torch.zeros(7, 1), num_malicious=expected)
    object.__setattr__(known, "dropped", dropped)

    assert Bounded(num_malicious=own).malicious_among(7, known) == f


@pytest.mark.parametrize(
    ("n", "message"), [(4, "withstand at most 1 of 4, not f = 2"), (0, "work with 0 updates")]
)
def test_too_many_malicious_rows_are_refused_with_the_formula(info, n, message):
    with pytest.raises(TooManyMalicious, match=rf"Bounded needs n >= 2f \+ 1: it can.* {message}"):
        Bounded().malicious_among(n, info(torch.zeros(n, 1), num_malicious=2))


def test_a_bound_may_depend_on_a_field(info):
    class Picky(Bounded):
        extra: int = 0

        @property
        def bound(self):
            return 3, self.extra

    assert Picky(extra=1).requirement() == "n >= 3f + 1"
    assert Picky(extra=1).malicious_among(4, info(torch.zeros(4, 1), num_malicious=1)) == 1
    with pytest.raises(TooManyMalicious, match=r"n >= 3f \+ 2"):
        Picky(extra=2).malicious_among(4, info(torch.zeros(4, 1), num_malicious=1))
