"""What clients get of an aggregate, against a reference that looks at one number at a time."""

from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.core.rewards import largest, moves

LAYERS = (5, 1, 3)
D = sum(LAYERS)
N = 4
KINDS = ("added", "excluded", "dropped")


def reference(updates, weights, quotas, own):
    """Return how far models move, in float64."""
    u, w = np.asarray(updates, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    moved = np.zeros((N, D))
    for i in range(N):
        aggregate = sum(w[j] * u[j] for j in range(N) if own != "excluded" or j != i)
        begin = 0
        for size in LAYERS:
            places = sorted(range(begin, begin + size), key=lambda p: (-abs(aggregate[p]), p))
            granted = places[: min(size, ceil(quotas[i] * size - 1e-9))]
            for p in range(begin, begin + size):
                got = aggregate[p] if p in granted else 0.0
                kept = 0.0 if own == "dropped" else u[i, p]
                moved[i, p] = kept + got
            begin += size
    return moved


def some(seed):
    generator = torch.Generator().manual_seed(seed)
    updates = torch.randn(N, D, generator=generator)
    weights = torch.rand(N, generator=generator)
    return updates, weights / weights.sum()


@given(
    st.sampled_from(KINDS),
    st.integers(0, 1000),
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.34, 0.8, 1.0]), min_size=N, max_size=N),
)
def test_models_move_as_the_reference_says(own, seed, quotas):
    updates, weights = some(seed)

    shares = torch.tensor(quotas, dtype=torch.float64)
    moved = moves(updates, weights @ updates, weights, shares, LAYERS, own)

    assert np.allclose(moved, reference(updates, weights, quotas, own), atol=1e-6)


def test_with_full_quotas_all_models_move_alike_if_their_own_updates_are_dropped():
    updates, weights = some(1)

    moved = moves(updates, weights @ updates, weights, torch.ones(N), LAYERS, "dropped")

    assert torch.equal(moved, (weights @ updates).expand(N, -1))


@pytest.mark.parametrize("own", KINDS)
def test_who_has_earned_nothing_has_what_it_learned_itself_unless_that_is_dropped(own):
    updates, weights = some(2)

    moved = moves(updates, weights @ updates, weights, torch.zeros(N), LAYERS, own)

    assert torch.equal(moved, torch.zeros(N, D) if own == "dropped" else updates)


def test_the_largest_are_chosen_in_each_layer_and_of_equal_ones_the_first():
    rows = torch.tensor([[1.0, -3.0, 2.0, 9.0, 9.0]])

    kept = largest(rows, torch.tensor([0.5]), (3, 2))

    assert kept.tolist() == [[0.0, -3.0, 2.0, 9.0, 0.0]]
