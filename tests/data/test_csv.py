import gzip
import logging

import numpy as np
import pytest
import torch

from fedrobust.data.csv import CSV
from tests.data.tables import numbered


def together(data):
    """All examples, in no order: training and test part."""
    return torch.cat([data.x, data.x_test]), torch.cat([data.y, data.y_test])


def test_numbers_are_standardised_by_the_training_part(table):
    path = table(numbered([(3 * i, i % 2) for i in range(20)]))

    data = CSV(path=path, target="y", test_share=0.4).load(seed=0)

    assert data.x.shape == (12, 1)
    assert data.x_test.shape == (8, 1)
    torch.testing.assert_close(data.x.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(data.x.std(correction=0), torch.tensor(1.0))
    assert data.x_test.mean().abs() > 1e-3
    values = together(data)[0].sort(0).values
    torch.testing.assert_close(values.diff(dim=0), values.diff(dim=0)[:1].expand(19, 1))


def test_missing_and_infinite_numbers_become_the_training_mean(table):
    """Worked by hand: 1 and 3 have mean 2 and deviation 1."""
    known = [(1, "p"), (3, "p")] * 10
    odd = [("", "q"), ("NA", "q"), ("?", "q"), ("inf", "q"), ("-inf", "q")]
    path = table(numbered(known + odd))

    data = CSV(path=path, target="y", test_share=0.1).load(seed=0)

    x, y = together(data)
    assert data.x[data.y == 0].abs().max() < 1.2
    assert len(x[y == 1]) == 5
    assert (x[y == 1] == 0).all()
    assert (x[y == 0] != 0).all()


def test_a_constant_or_empty_column_becomes_zero(table):
    path = table(numbered([(0.1, "", i, i % 2) for i in range(10)], header="same,none,a,y"))

    data = CSV(path=path, target="y").load(seed=0)

    assert (together(data)[0][:, :2] == 0).all()
    assert (together(data)[0][:, 2] != 0).any()


def test_texts_become_one_column_each_and_missing_ones_none(table):
    path = table(numbered([*[("red", 0), ("blue", 1)] * 10, ("", 0), ("", 1)]))

    data = CSV(path=path, target="y", test_share=0.2).load(seed=0)

    x, y = together(data)
    assert x.shape == (22, 2)
    assert x.sum(0).tolist() == [10, 10]
    assert x[:, 0].sum() == x[y == 1][:, 0].sum()  # blue, first by name, is always class 1
    assert (x.sum(1) == 0).sum() == 2


def test_texts_that_only_the_test_part_has_are_unknown(table):
    path = table(numbered([(f"text{i}", i % 2) for i in range(40)]))

    data = CSV(path=path, target="y", test_share=0.25).load(seed=0)

    assert data.x.shape == (30, 30)
    assert (data.x.sum(1) == 1).all()
    assert data.x_test.shape == (10, 30)
    assert (data.x_test == 0).all()


def test_truth_values_are_numbers(table):
    path = table(numbered([(i % 2 == 0, i % 3) for i in range(12)]))

    data = CSV(path=path, target="y", test_share=0.3).load(seed=0)

    assert data.x.shape[1] == 1
    assert len(data.x.unique()) == 2


@pytest.mark.parametrize("values", [("10", "9", "-1"), ("b", "c", "a"), ("2.5", "1.5", "0.5")])
def test_the_target_may_be_of_any_type(values, table):
    """Classes ascend: -1 < 9 < 10 as numbers, a < b < c as texts.  The feature tells them apart."""
    path = table(numbered([(values.index(v), v) for v in values * 5]))
    ascending = sorted(values, key=lambda v: (float(v) if v[-1].isdigit() else 0, v))

    data = CSV(path=path, target="y", test_share=0.4).load(seed=0)

    x, y = together(data)
    in_order = [x[y == c].unique().item() for c in range(3)]
    assert data.num_classes == 3
    assert y.bincount().tolist() == [5, 5, 5]
    assert (
        np.argsort(in_order).tolist() == np.argsort([values.index(v) for v in ascending]).tolist()
    )


def test_rows_without_target_or_client_are_left_out_with_a_warning(table, caplog):
    rows = [(i, i % 2, "ann") for i in range(10)]
    path = table(numbered([*rows, (1, "", "ann"), (1, 1, "")], header="a,y,who"))

    with caplog.at_level(logging.WARNING):
        data = CSV(path=path, target="y", client="who").load(seed=0)

    assert len(together(data)[0]) == 10
    assert "leaves out 2 of 12 rows of 'table.csv', which have no y or who" in caplog.text


def test_nothing_is_said_when_nothing_is_left_out(table, caplog):
    path = table(numbered([(i, i % 2) for i in range(10)]))

    with caplog.at_level(logging.WARNING):
        CSV(path=path, target="y").load(seed=0)

    assert caplog.text == ""


def test_the_client_column_becomes_groups_and_is_no_feature(table):
    names = ["zoe", "ann", "bob"]
    path = table(numbered([(i, i % 2, names[i % 3]) for i in range(60)], header="a,y,who"))

    data = CSV(path=path, target="y", client="who", test_share=0.2).load(seed=0)

    assert data.x.shape == (48, 1)
    assert data.groups.shape == (48,)
    assert data.groups.dtype == torch.int64
    assert data.groups.bincount().tolist() == [16, 16, 16]


def test_groups_follow_their_rows(table):
    """Worked by hand: the feature is 0 for c, 1 for a, 2 for b; groups are a, b, c."""
    path = table(numbered([(i % 3, i // 3 % 2, "cab"[i % 3]) for i in range(60)], "a,y,who"))

    data = CSV(path=path, target="y", client="who").load(seed=0)

    a, b, c = (data.x[data.groups == g].unique().tolist() for g in range(3))
    assert [len(a), len(b), len(c)] == [1, 1, 1]
    assert c < a < b


def test_no_client_loses_all_its_rows(table):
    path = table(numbered([(i, 0 if i < 50 else 1, i // 2) for i in range(100)], "a,y,who"))

    data = CSV(path=path, target="y", client="who", test_share=0.8).load(seed=0)

    assert data.groups.unique().tolist() == list(range(50))


def test_dropped_columns_are_no_features(table):
    rows = [(f"id{i}", i, i % 2, "x") for i in range(200)]
    path = table(numbered(rows, header="id,a,y,note"))

    data = CSV(path=path, target="y", drop=("id", "note")).load(seed=0)

    assert data.x.shape[1] == 1


def test_other_separators_spaces_and_compression_are_read(table, tmp_path):
    text = numbered([(i, i % 2) for i in range(10)]).replace(",", "; ")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))

    data = CSV(path="t.csv.gz", target="y", separator=";").load(seed=0)

    assert data.num_classes == 2


def test_the_seed_changes_nothing(table):
    path = table(numbered([(i, i % 2) for i in range(30)]))

    first, second = (CSV(path=path, target="y").load(seed) for seed in (1, 2))

    assert torch.equal(first.x_test, second.x_test)
    assert torch.equal(first.y, second.y)
