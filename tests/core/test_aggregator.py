from dataclasses import replace

import pytest
import torch

from fedrobust.core.aggregator import (
    Aggregate,
    Aggregator,
    Bounded,
    Mean,
    PostAggregator,
    PreAggregator,
    Transformed,
)
from fedrobust.core.chain import Chain
from fedrobust.errors import AggregationError, TooManyMalicious


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


def test_examples_that_are_whole_numbers_are_mixed_by_shares(info, line):
    known = replace(info(line), examples=torch.tensor([10, 20, 30, 40]))

    mixed = known.mixed(torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 0.25, 0.75]]))

    assert mixed.examples.tolist() == [15.0, 37.5]


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
    ("n", "message"), [(4, "withstand at most 1 of 4, not f = 2"), (0, "n = 0 updates are too few")]
)
def test_too_many_malicious_rows_are_refused_with_the_formula(info, n, message):
    with pytest.raises(TooManyMalicious, match=rf"Bounded needs n >= 2f \+ 1: .*{message}"):
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


class Sketch(PreAggregator):
    """Let the first coordinate stand for all."""

    def transform(self, updates, state, info):
        return Transformed(updates[:, :1], state, sketch=True)


class Halves(PreAggregator):
    """Halve the first row."""

    def transform(self, updates, state, info):
        factors = torch.ones(len(updates))
        factors[0] = 0.5
        return Transformed(updates * factors[:, None], state, factors=factors)


class Nearest(Aggregator):
    """Take the row nearest to the others."""

    by_distance = True

    def aggregate(self, updates, state, info):
        best = (updates[:, None] - updates).norm(dim=2).sum(dim=1).argmin()
        weights = torch.eye(len(updates))[best]
        return Aggregate(weights @ updates, state, weights, weights)


@pytest.fixture
def plane():
    return torch.tensor([[1.0, 10.0], [2.0, -7.0], [4.0, 3.0], [3.0, 0.0]])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [((), [2.0, -7.0]), ((Pairs(),), [1.5, 1.5])],
)
def test_a_rule_judges_sketches_and_the_chain_combines_the_rows(info, plane, steps, expected):
    chain = Chain(before=(Sketch(), *steps), rule=Nearest())

    out = chain.aggregate(plane, chain.init(plane[0]), info(plane))

    assert out.update.tolist() == expected


def test_steps_before_a_sketch_act_on_the_rows(info, plane):
    chain = Chain(before=(Halves(), Sketch()), rule=Nearest())

    plane[0] *= 4

    out = chain.aggregate(plane, [(), (), ()], info(plane))

    assert out.update.tolist() == [2.0, 20.0]
    assert out.weights.tolist() == [0.5, 0, 0, 0]


def test_a_rule_that_needs_whole_rows_is_refused_behind_a_sketch(info, plane):
    with pytest.raises(AggregationError, match=r"First cannot work on sketches.*such as krum"):
        Chain(before=(Sketch(),), rule=First()).aggregate(plane, [(), ()], info(plane))


@pytest.mark.parametrize("step", [Shift(), Halves()])
def test_a_step_that_changes_single_rows_is_refused_behind_a_sketch(info, plane, step):
    """It would scale a row by the length of its sketch, which an attacker may make short."""
    chain = Chain(before=(Sketch(), step), rule=Nearest())

    with pytest.raises(AggregationError, match=r"cannot work on sketches of .*write it before"):
        chain.aggregate(plane, chain.init(plane[0]), info(plane))


def test_one_step_that_makes_sketches_is_enough(info, plane):
    chain = Chain(before=(Sketch(), Pairs(), Sketch()), rule=Nearest())

    with pytest.raises(AggregationError, match=r"Sketch would make sketches of .*remove the other"):
        chain.aggregate(plane, chain.init(plane[0]), info(plane))


def test_a_chain_s_constant_is_made_of_its_parts():
    class Proven(Mean):
        def kappa(self, n, f):
            return 3.0 if f else 0.0

    class Worse(Pairs):
        def kappa(self, n, f, behind):
            return 1 + 2 * behind

    assert Chain(rule=Proven()).kappa(9, 1) == 3.0
    assert Chain(before=(Worse(), Worse()), rule=Proven()).kappa(9, 1) == 15.0
    assert Chain(before=(Pairs(),), rule=Proven()).kappa(9, 1) is None
    assert Chain(rule=Proven(), after=(Double(),)).kappa(9, 1) is None
    assert Chain().kappa(9, 1) is None


class Limited(Bounded, Mean):
    """Has a constant that tells with how many it reckons."""

    def kappa(self, n, f):
        return f / (n - 2 * f)


class Before(Bounded, PreAggregator):
    """Adds ten times the number with which it reckons."""

    def transform(self, updates, state, info):
        return Transformed(updates, state)

    def kappa(self, n, f, behind):
        return behind + 10 * f


@pytest.mark.parametrize(
    ("step", "rule", "kappa"),
    [
        (None, None, 20 + 2 / 9),
        (2, 2, 20 + 2 / 9),
        (3, 3, 30 + 3 / 7),
        (None, 3, 20 + 3 / 7),
        (3, None, None),
        (1, None, None),
        (None, 1, None),
        (0, 0, None),
        (7, 7, None),
    ],
)
def test_what_is_proven_for_more_malicious_rows_holds_for_fewer_and_not_the_reverse(
    step, rule, kappa
):
    """For f = 2 of n = 13; for seven, 15 rows are needed."""
    chain = Chain(before=(Before(num_malicious=step),), rule=Limited(num_malicious=rule))

    assert chain.kappa(13, 2) == (None if kappa is None else pytest.approx(kappa))


def test_a_step_of_a_larger_number_needs_a_rule_that_withstands_as_many():
    """The middle of the rows, which has no number of its own, is asked for the step's."""

    class Always(Mean):
        def kappa(self, n, f):
            return float(f)

    assert Chain(before=(Before(num_malicious=3),), rule=Always()).kappa(13, 2) == 33
    assert Chain(rule=Always()).kappa(13, 6) == 6
    assert Chain(rule=Always()).kappa(12, 6) is None


def test_a_rule_without_root_data_says_what_to_set(info, plane):
    with pytest.raises(AggregationError, match=r"mean needs examples.*root_examples, such as 100"):
        info(plane).require_root(Mean())


def test_a_rule_that_knows_clients_is_refused_behind_mixtures(info, line):
    class Grudge(First):
        @property
        def by_client(self):
            return True

    with pytest.raises(AggregationError, match=r"Grudge has to know who.*Pairs makes"):
        Chain(before=(Pairs(),), rule=Grudge()).aggregate(line, [(), ()], info(line))
