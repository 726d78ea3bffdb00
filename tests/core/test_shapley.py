"""Shapley values: the axioms, games whose values are known, and samples that come close."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.core import shapley
from fedrobust.errors import ConfigError

AIRPORT = torch.tensor([10.0, 16.0, 22.0, 40.0], dtype=torch.float64)
SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 10**6)


def numbered(coalitions):
    """The number of each coalition: player i is bit i."""
    return coalitions.long() @ (2 ** torch.arange(coalitions.shape[1]))


def game(worths):
    return lambda coalitions: worths[numbered(coalitions)]


def random_game(n, seed):
    generator = torch.Generator().manual_seed(seed)
    return game(torch.randn(2**n, generator=generator, dtype=torch.float64))


def gloves(coalitions):
    """Players 0 and 1 have a left glove, player 2 the right one; a pair is worth 1."""
    return ((coalitions[:, 0] | coalitions[:, 1]) & coalitions[:, 2]).double()


def airport(coalitions):
    """A runway costs what its largest aeroplane needs."""
    return (coalitions * AIRPORT).max(dim=1).values


def by_all_orders(utility, n):
    """The definition, order by order."""
    values, orders = torch.zeros(n, dtype=torch.float64), list(permutations(range(n)))
    for order in orders:
        members = torch.zeros(1, n, dtype=torch.bool)
        for player in order:
            before = utility(members).item()
            members[0, player] = True
            values[player] += (utility(members).item() - before) / len(orders)
    return values


def everyone(n):
    return torch.ones(1, n, dtype=torch.bool)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Counted:
    """A utility that keeps what it was asked."""

    def __init__(self, utility):
        self.utility, self.asked = utility, []

    def __call__(self, coalitions):
        self.asked.append(coalitions.clone())
        return self.utility(coalitions)


def test_two_left_gloves_compete_for_the_right_one():
    values = shapley.exact(gloves, 3)

    torch.testing.assert_close(values, torch.tensor([1 / 6, 1 / 6, 4 / 6], dtype=torch.float64))


def test_who_needs_a_longer_runway_pays_for_it():
    """By Littlechild and Owen, Management Science 20 (1973): all share the first stretch,
    those whom it does not suffice the second, and so on: 10/4, + 6/3, + 6/2, + 18/1."""
    values = shapley.exact(airport, 4)

    torch.testing.assert_close(values, torch.tensor([2.5, 4.5, 7.5, 25.5], dtype=torch.float64))


@given(n=st.integers(1, 5), seed=SEEDS)
def test_exact_values_are_the_means_over_all_orders_of_joining(n, seed):
    utility = random_game(n, seed)

    torch.testing.assert_close(shapley.exact(utility, n), by_all_orders(utility, n))


@given(n=SIZES, seed=SEEDS)
def test_values_add_up_to_what_all_are_worth_less_what_nobody_is(n, seed):
    utility = random_game(n, seed)

    total = shapley.exact(utility, n).sum()

    torch.testing.assert_close(total, (utility(everyone(n)) - utility(~everyone(n)))[0])


@given(n=st.integers(2, 6), seed=SEEDS)
def test_players_who_can_stand_in_for_each_other_have_equal_values(n, seed):
    some = random_game(n, seed)

    def utility(coalitions):
        swapped = coalitions.clone()
        swapped[:, [0, 1]] = coalitions[:, [1, 0]]
        return some(coalitions) + some(swapped)

    values = shapley.exact(utility, n)

    torch.testing.assert_close(values[0], values[1])


@given(n=SIZES, seed=SEEDS)
def test_who_never_changes_anything_is_worth_nothing(n, seed):
    some = random_game(n, seed)

    def utility(coalitions):
        return some(coalitions & (torch.arange(n) > 0))

    assert abs(shapley.exact(utility, n)[0]) < 1e-12


@given(n=SIZES, seed=SEEDS, factor=st.floats(-5, 5))
def test_the_values_of_a_sum_of_games_are_the_sums_of_values(n, seed, factor):
    one, two = random_game(n, seed), random_game(n, seed + 1)

    values = shapley.exact(lambda c: one(c) + factor * two(c), n)

    torch.testing.assert_close(values, shapley.exact(one, n) + factor * shapley.exact(two, n))


def test_exact_values_ask_once_for_each_coalition():
    utility = Counted(random_game(6, 0))

    shapley.exact(utility, 6)

    (asked,) = utility.asked
    assert sorted(numbered(asked).tolist()) == list(range(64))


def test_too_many_players_are_refused_unless_the_bound_is_raised():
    with pytest.raises(ConfigError, match=r"of 11 players need 2\^11 .* at most 2\^10 .* sample"):
        shapley.exact(lambda coalitions: coalitions.sum(dim=1).double(), 11)

    values = shapley.exact(lambda coalitions: coalitions.sum(dim=1).double(), 11, most=11)

    torch.testing.assert_close(values, torch.ones(11, dtype=torch.float64))


@given(n=st.integers(2, 6), seed=SEEDS)
def test_sampled_values_add_up_too(n, seed):
    utility = random_game(n, seed)

    found = shapley.sampled(utility, n, 5, generator(seed))

    worth = (utility(everyone(n)) - utility(~everyone(n)))[0]
    torch.testing.assert_close(found.values.sum(), worth)


@pytest.mark.parametrize("utility", [gloves, random_game(3, 1)])
def test_sampled_values_come_as_close_as_their_standard_errors_say(utility):
    true = shapley.exact(utility, 3)

    found = [shapley.sampled(utility, 3, 400, generator(seed)) for seed in range(200)]

    values = torch.stack([estimate.values for estimate in found])
    errors = torch.stack([estimate.errors for estimate in found])
    within = ((values - true).abs() <= 1.96 * errors).double().mean(dim=0)
    assert ((within > 0.9) & (within < 0.99)).all()
    torch.testing.assert_close(errors.mean(dim=0), values.std(dim=0), rtol=0.2, atol=0.0)


def test_players_who_always_add_the_same_have_no_error():
    own = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)

    found = shapley.sampled(lambda coalitions: coalitions.double() @ own, 3, 8, generator())

    torch.testing.assert_close(found.values, own)
    assert found.errors.tolist() == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)


@given(n=st.integers(2, 6), seed=SEEDS, tolerance=st.floats(0.01, 3.0))
def test_truncation_moves_the_sum_by_less_than_the_tolerance(n, seed, tolerance):
    utility = random_game(n, seed)

    found = shapley.sampled(utility, n, 4, generator(seed), tolerance=tolerance)

    worth = (utility(everyone(n)) - utility(~everyone(n)))[0]
    assert (found.values.sum() - worth).abs() < tolerance + 1e-12


def test_who_joins_when_nearly_all_is_reached_is_not_evaluated():
    """Worked by hand: each of 10 adds 1; after 8 of them less than 2.5 is missing."""
    utility = Counted(lambda coalitions: coalitions.sum(dim=1).double())

    found = shapley.sampled(utility, 10, 20, generator(), tolerance=2.5)

    assert [int(asked.sum(dim=1).max()) for asked in utility.asked] == [10, *range(1, 9)]
    assert found.values.sum().item() == pytest.approx(8.0)


def test_no_coalition_of_some_is_evaluated_twice():
    utility = Counted(random_game(4, 0))

    shapley.sampled(utility, 4, 50, generator())

    asked = numbered(torch.cat(utility.asked[1:-1])).tolist()
    assert sorted(asked) == list(range(1, 15))
    assert [len(rows) for rows in utility.asked] == [2, 4, 6, 4, 1]


def test_the_same_generator_draws_the_same_orders():
    one, two, other = (
        shapley.sampled(random_game(5, 0), 5, 3, generator(seed)).values for seed in (1, 1, 2)
    )

    assert one.equal(two)
    assert not one.equal(other)


def test_one_permutation_has_no_standard_error():
    with pytest.raises(ConfigError, match="at least 2 permutations, not 1"):
        shapley.sampled(gloves, 3, 1, generator())
