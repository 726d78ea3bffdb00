import logging
from math import inf, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedrobust.attacks.alie import ALIE
from fedrobust.attacks.fang_krum import FangKrum
from fedrobust.attacks.label_flip import LabelFlip
from fedrobust.core.searching import most, muted, real_fields

GRID = [2.0**i for i in range(-4, 7)]


@given(peak=st.floats(-3.9, 5.9))
def test_a_single_peak_is_found_to_a_hundredth_of_its_octave(peak):
    found = most(lambda value: -abs(log2(value) - peak), GRID, 24)

    assert log2(found) == pytest.approx(peak, abs=0.05)


@given(table=st.lists(st.floats(-9, 9), min_size=11, max_size=11))
def test_the_result_is_never_worse_than_the_grid(table):
    def worth(value):
        return table[GRID.index(value)] if value in GRID else -10.0

    assert worth(most(worth, GRID, 20)) == max(table)


def test_it_tries_no_more_often_than_it_may():
    tried = []

    most(lambda value: tried.append(value) or value, GRID, 20)

    assert len(tried) == len(set(tried)) == 20


def test_nothing_worth_trying_is_none():
    assert most(lambda value: -inf, GRID, 20) is None


def test_real_fields_are_those_that_may_hold_a_real_number():
    assert real_fields(ALIE()) == ["z"]
    assert real_fields(FangKrum()) == ["threshold"]
    assert real_fields(LabelFlip()) == []


def test_what_is_tried_is_muted_and_only_then(caplog):
    log = logging.getLogger("fedrobust.attacks.alie")

    with muted(ALIE()):
        log.warning("while trying")
    log.warning("in earnest")

    assert [record.message for record in caplog.records] == ["in earnest"]
