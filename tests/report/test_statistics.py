"""What a report says of chance is what SciPy and scikit-posthocs say."""

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedrobust.report.statistics import best_of, differs, discoveries, figure, harms, ranks

RATES = st.floats(0, 1).map(lambda rate: round(rate, 3))
GROUPS = st.integers(2, 5).flatmap(
    lambda n: st.lists(st.lists(RATES, min_size=n, max_size=n), min_size=2, max_size=6)
)


@given(st.lists(RATES, min_size=2, max_size=8))
def test_an_interval_is_the_t_interval_of_scipy(values):
    found = figure(values)

    if np.var(values) < 1e-12:
        assert (found.low, found.high) == (found.mean, found.mean)
    else:
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_single_value_has_no_interval():
    assert figure([0.3]).low is None


@given(GROUPS)
def test_the_best_has_the_highest_mean_and_ties_are_among_the_others(groups):
    options = dict(enumerate(groups))
    found = best_of(options)

    means = {option: np.mean(values) for option, values in options.items()}
    assert means[found.best] == pytest.approx(max(means.values()))
    assert found.best not in found.ties
    assert found.sure == (None if len(groups[0]) < 3 else not found.ties)
    assert found.ahead >= 0


def test_ties_are_those_that_games_and_howell_do_not_tell_from_the_best():
    random = np.random.default_rng(3)
    options = {i: (random.normal(m, 0.02, 6)).tolist() for i, m in enumerate([0.8, 0.79, 0.7, 0.2])}

    found = best_of(options)
    tested = stats.tukey_hsd(*options.values(), equal_var=False).pvalue[found.best]

    assert {*found.ties} == {i for i in options if i != found.best and tested[i] >= 0.05}
    assert {*found.ties} == {0, 1} - {found.best}


@pytest.mark.parametrize(("k", "n"), [(3, 3), (3, 10), (8, 3)])
def test_of_equal_options_one_is_called_worse_no_more_than_once_in_twenty_times(k, n):
    """Although the best is picked by the same values; 0.11 is three standard errors above."""
    random = np.random.default_rng(1)
    tables = random.normal(0.8, 0.01, (120, k, n))
    wrong = [len(best_of(dict(enumerate(t.tolist()))).ties) < k - 1 for t in tables]

    assert np.mean(wrong) < 0.11


def test_a_defense_that_varies_much_is_not_surely_better():
    """Pooled variances would call it so: the others hardly vary."""
    found = best_of({0: [0.45, 0.17, 0.45], 1: [0.0, 0.0, 0.17], 2: [0.0, 0.0, 0.001]})

    assert found.best == 0
    assert found.ties


def test_options_without_spread_tie_only_if_they_are_equal():
    assert best_of({0: [0.5] * 3, 1: [0.5] * 3, 2: [0.4] * 3}).ties == [1]


@pytest.mark.parametrize("seeds", [1, 2])
def test_nobody_is_sure_with_fewer_than_three_seeds(seeds):
    found = best_of({0: [0.5] * seeds, 1: [0.9] * seeds})

    assert (found.best, found.sure, found.ties) == (1, None, [])


def test_verdicts_do_not_change_from_call_to_call():
    options = {i: [0.1 * i, 0.12 * i, 0.3] for i in range(5)}

    assert best_of(options) == best_of(options)


def test_ranks_and_their_test_are_those_of_scipy_and_scikit_posthocs():
    table = np.random.default_rng(0).uniform(size=(9, 5))
    table[:, 0] += 1.0

    found = ranks([dict(enumerate(row)) for row in table])

    expected = stats.rankdata(-table, axis=1).mean(axis=0)
    assert list(found.mean.values()) == pytest.approx(expected.tolist())
    assert found.p == pytest.approx(stats.friedmanchisquare(*table.T).pvalue)
    tested = scikit_posthocs.posthoc_nemenyi_friedman(table).to_numpy()
    for a in range(5):
        for b in range(a):
            apart = abs(found.mean[a] - found.mean[b]) >= found.critical
            assert apart == (tested[a, b] < 0.05), (a, b)


def test_the_critical_difference_is_that_of_demsars_example():
    """Four classifiers on 14 data sets: 2.569 sqrt(4 * 5 / (6 * 14)) = 1.25."""
    blocks = [{0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}] * 14

    assert ranks(blocks).critical == pytest.approx(1.25, abs=0.005)


def test_groups_join_neighbours_whose_ranks_are_close():
    found = ranks([{0: 3.0, 1: 2.0, 2: 1.0}] * 3 + [{0: 2.0, 1: 3.0, 2: 1.0}] * 3)

    assert found.mean == {0: 1.5, 1: 1.5, 2: 3.0}
    assert [0, 1] in found.groups
    assert all(len(group) < 3 for group in found.groups)


def test_few_options_or_blocks_have_ranks_but_no_critical_difference():
    assert ranks([{0: 1.0, 1: 2.0}] * 5).critical is None
    assert ranks([{0: 1.0, 1: 2.0, 2: 3.0}]).critical is None
    assert ranks([]).mean == {}


@given(GROUPS, st.booleans())
def test_a_difference_lies_within_its_interval(groups, paired):
    before, after = groups[:2]
    found = differs(before, after, paired)

    assert found.low <= np.mean(after) - np.mean(before) + 1e-9
    assert found.high >= np.mean(after) - np.mean(before) - 1e-9
    assert 0 <= found.p <= 1


def test_differences_are_welchs_or_those_of_pairs():
    before, after = [0.5, 0.6, 0.55], [0.9, 0.8, 0.7]

    for paired, test in (
        (False, stats.ttest_ind(after, before, equal_var=False)),
        (True, stats.ttest_rel(after, before)),
    ):
        expected = test.confidence_interval()
        found = differs(before, after, paired)
        assert found == pytest.approx((expected.low, expected.high, test.pvalue))
    assert differs([0.5], after, paired=False) is None


def test_of_many_changes_by_chance_hardly_any_is_called_real():
    chances = np.random.default_rng(0).uniform(size=500).tolist()

    assert not any(discoveries(chances))
    assert discoveries([1e-9, *chances])[0]
    assert discoveries([]) == []


def test_harm_is_told_pair_by_pair():
    assert harms([0.9, 0.5, 0.7], [0.85, 0.44, 0.66]) is True  # less for each seed
    assert harms([0.9, 0.5, 0.7], [0.5, 0.9, 0.65]) is False
    assert harms([0.9] * 3, [0.9] * 3) is False
    assert harms([0.9, 0.9], [0.1, 0.1]) is None
