"""Whether a server could aggregate, found out in moments whatever the number of clients."""

from math import ceil

import pytest
import torch

from fedrobust.core.aggregator import Aggregator, Bounded, PreAggregator, Transformed
from fedrobust.core.chain import Chain
from fedrobust.core.rehearsal import Rehearsal
from fedrobust.errors import AggregationError, TooManyMalicious
from fedrobust.strategies.bucketing import Bucketing
from fedrobust.strategies.foolsgold import FoolsGold
from fedrobust.strategies.krum import Krum
from fedrobust.strategies.monna import MoNNA
from fedrobust.strategies.smea import SMEA
from fedrobust.strategies.trimmed_mean import TrimmedMean
from fedrobust.strategies.zeno import Zeno


class Unable(Aggregator):
    """Refuse."""

    def aggregate(self, updates, state, info):
        raise AggregationError("never")


class Counting(Bounded, PreAggregator):
    """Hand on at most seven rows, and note how many came."""

    def transform(self, updates, state, info):
        seen.append(len(updates))
        return Transformed(updates[:7], state)


seen: list[int] = []


@pytest.mark.parametrize("n", [9, 101, 20_000])
def test_a_bound_is_seen_at_any_number_of_updates(n):
    rehearsal = Rehearsal(Chain(rule=Krum()), n)

    rehearsal.play((n - 3) // 2)
    with pytest.raises(TooManyMalicious, match=f"of n = {n}"):
        rehearsal.play((n - 3) // 2 + 1)


@pytest.mark.parametrize("n", [20, 101, 1000])
def test_a_bound_is_that_of_the_rows_a_rule_is_given(n):
    """The rule gets half of them, and half of these again."""
    rehearsal = Rehearsal(Chain(before=(Bucketing(), Bucketing()), rule=TrimmedMean()), n)
    m = ceil(n / 4)

    rehearsal.play((m - 1) // 2)
    with pytest.raises(TooManyMalicious, match=f"of n = {m}"):
        rehearsal.play((m - 1) // 2 + 1)


def test_a_large_round_is_tried_where_the_number_of_rows_changes():
    seen.clear()

    Rehearsal(Chain(before=(Counting(), Counting()), rule=TrimmedMean()), 1000).play(3)

    assert max(seen) == 1000
    with pytest.raises(TooManyMalicious, match="of n = 7"):
        Rehearsal(Chain(before=(Counting(),), rule=TrimmedMean()), 1000).play(4)


@pytest.mark.parametrize("n", [20, 1000])
def test_steps_that_do_not_fit_together_are_seen_at_any_number_of_updates(n):
    with pytest.raises(AggregationError, match=r"foolsgold has to know .* bucketing makes"):
        Rehearsal(Chain(before=(Bucketing(),), rule=FoolsGold()), n).play(0)


def test_only_a_small_round_is_aggregated():
    with pytest.raises(AggregationError, match="never"):
        Rehearsal(Chain(rule=Unable()), 20).play(0)
    Rehearsal(Chain(rule=Unable()), 1000).play(0)


@pytest.mark.parametrize("n", [30, 20_000])
def test_too_many_subsets_are_seen_at_any_number_of_updates(n):
    with pytest.raises(AggregationError, match="subsets"):
        Rehearsal(Chain(rule=SMEA()), n).play(n // 3)


@pytest.mark.parametrize("pivot", [0, 19, 500])
def test_clients_that_are_needed_take_part(pivot):
    Rehearsal(Chain(rule=MoNNA(pivot=pivot)), 20).play(4)


def test_a_server_has_examples_and_nobody_s_generator_is_used():
    before = torch.get_rng_state()

    Rehearsal(Chain(rule=Zeno()), 20).play(4)

    assert torch.get_rng_state().equal(before)
