"""A network that sorts every sequence of zeros and ones sorts everything (Knuth, 5.3.4, theorem Z).

All such sequences go through at once: bit k of a wire is its value in sequence k.
"""

import random
from itertools import pairwise

import numpy as np
import pytest

from fedrobust.kernels.networks import cuts_around, selecting, sorting


def through(pairs, wires):
    wires = list(wires)
    for i, j in pairs:
        wires[i], wires[j] = wires[i] & wires[j], wires[i] | wires[j]
    return wires


def all_sequences(n):
    """Bit k of wire i is bit i of k."""
    size = 1 << n
    wires = []
    for i in range(n):
        period = 1 << i
        pattern, length = ((1 << period) - 1) << period, 2 * period
        while length < size:
            pattern |= pattern << length
            length *= 2
        wires.append(pattern)
    return wires


def is_sorted(wires):
    return all(low & ~high == 0 for low, high in pairwise(wires))


@pytest.mark.parametrize("n", range(1, 21))
def test_sorting_sorts_all_zeros_and_ones(n):
    assert is_sorted(through(sorting(n), all_sequences(n)))


@pytest.mark.parametrize("n", range(1, 25))
def test_selecting_brings_every_range_of_ranks_to_its_place(n):
    """All sequences up to n = 12, four thousand random ones beyond."""
    g = random.Random(n)
    wires = all_sequences(n) if n <= 12 else [g.getrandbits(4096) for _ in range(n)]
    expected = through(sorting(n), wires)

    for low in range(n):
        for high in range(low + 1, n + 1):
            found = through(selecting(n, (low, high)), wires)[low:high]
            assert through(sorting(high - low), found) == expected[low:high], (low, high)


@pytest.mark.parametrize("n", range(1, 25))
def test_selecting_parts_at_any_cuts(n):
    g = random.Random(n)
    wires = all_sequences(n) if n <= 12 else [g.getrandbits(4096) for _ in range(n)]
    expected = through(sorting(n), wires)

    for _ in range(100):
        cuts = tuple(sorted(g.sample(range(n + 1), g.randint(2, n + 1))))
        found = through(selecting(n, cuts), wires)
        for low, high in pairwise(cuts):
            part = through(sorting(high - low), found[low:high])
            assert part == expected[low:high], cuts


def test_cuts_around_leave_open_only_what_is_kept_in_any_case():
    """Of 10 values the 8 nearest begin at rank 0, 1 or 2: they include ranks 2 to 7."""
    assert cuts_around(10, keep=8, low=2, high=8) == (0, 1, 2, 8, 9, 10)
    assert cuts_around(10, keep=8, low=4, high=6) == (0, 1, 2, 4, 6, 8, 9, 10)
    assert cuts_around(10, keep=10, low=0, high=10) == (0, 10)
    assert cuts_around(10, keep=5, low=1, high=9) == tuple(range(11))
    assert cuts_around(10, keep=3, low=4, high=6) == tuple(range(11))


@pytest.mark.parametrize("n", [1, 4, 5, 8, 9, 17, 24, 31, 50])
def test_wires_of_four_values_that_are_merged(n):
    """Runs of two such wires are sorted to begin with; what is missing is infinite."""
    g = np.random.default_rng(n)
    size = n + -n % 8
    values = np.full((100, size), np.inf)
    values[:, :n] = g.integers(0, 9, (100, n))
    runs = np.sort(values.reshape(100, -1, 8), axis=2).reshape(100, -1, 4)

    for low in range(n):
        for high in {low + 1, (low + n) // 2 + 1, n}:
            quads = runs.copy()
            for i, j in selecting(n, (low, high), width=4, run=2):
                both = np.sort(np.concatenate([quads[:, i], quads[:, j]], axis=1), axis=1)
                quads[:, i], quads[:, j] = both[:, :4], both[:, 4:]
            found = np.sort(quads.reshape(100, -1)[:, low:high], axis=1)
            np.testing.assert_array_equal(found, np.sort(values, axis=1)[:, low:high])


def test_a_network_leaves_out_what_a_range_does_not_need():
    assert [len(sorting(n)) for n in (2, 4, 8, 10, 16)] == [1, 5, 19, 32, 63]
    assert len(selecting(10, (4, 6))) == 29
    assert len(selecting(10, cuts_around(10, keep=8, low=2, high=8))) == 29
    assert selecting(10, (0, 10)) == ()
    assert selecting(10, tuple(range(11))) == sorting(10)
