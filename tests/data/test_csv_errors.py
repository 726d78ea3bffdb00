import pytest

from fedrobust.data.csv import CSV
from fedrobust.errors import DataError
from tests.data.tables import numbered

SOUND = numbered([(i, i % 2, "ann") for i in range(10)], header="age,label,who")


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        (SOUND, {"target": "lable"}, "no column 'lable' .*did you mean 'label'.* age, label, who"),
        (SOUND, {"target": "label", "client": "whom"}, "'whom' .*did you mean 'who'"),
        (SOUND, {"target": "label", "drop": ("ages",)}, "'ages' .*did you mean 'age'"),
        (SOUND, {"target": "zzzz"}, r"no column 'zzzz' in 'table.csv'\. It has: age, label, who\."),
        (SOUND.replace(",", ";"), {"target": "label"}, "Is the separator ';'"),
        (SOUND, {"target": "label", "drop": ("age", "who")}, "a column to predict 'label' from"),
        (SOUND, {"target": "who"}, "two classes in 'who' or more, not 1"),
        (SOUND, {"target": "age", "max_categories": 9}, "10 different values in 'age'"),
        (
            numbered([(f"t{i}", i % 2) for i in range(200)]),
            {"target": "y"},
            "160 different texts in column 'a', more than max_categories = 100; put it in drop",
        ),
        ("a,y\n1,2,3\n1,2,3,4\n", {"target": "y"}, "cannot read 'table.csv'.* line 3"),
        ("a,y\n1,2,3\n1,2,3\n", {"target": "y"}, "more fields than the header's 2"),
        ("", {"target": "y"}, "cannot read 'table.csv'"),
        ("a,y\n", {"target": "y"}, "two classes in 'y' or more, not 0"),
        ("a,y\n1,0\n1,1\n", {"target": "y"}, "test share of 0.2 holds out no example"),
    ],
)
def test_says_what_is_wrong_with_the_table(text, fields, message, table):
    path = table(text)

    with pytest.raises(DataError, match=message):
        CSV(path=path, **fields).load(seed=0)


def test_bytes_that_are_no_text_are_refused(table, tmp_path):
    (tmp_path / "image.csv").write_bytes(bytes(range(128, 256)))

    with pytest.raises(DataError, match=r"cannot read 'image.csv'"):
        CSV(path="image.csv", target="y").load(seed=0)


def test_a_file_that_is_not_there(table, tmp_path):
    table(SOUND, "patients.csv")

    with pytest.raises(DataError) as raised:
        CSV(path="patient.csv", target="label").load(seed=0)

    assert "no file 'patient.csv'; did you mean 'patients.csv'?" in str(raised.value)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"client": "y"}, "'y' as target only"),
        ({"drop": ("y",)}, "'y' as target only"),
        ({"separator": ""}, "separator"),
        ({"separator": ", "}, "separator"),
        ({"test_share": 1.0}, "test_share"),
        ({"seperator": ";"}, "seperator"),
    ],
)
def test_rejects(wrong, message):
    with pytest.raises(ValueError, match=message):
        CSV(**{"path": "table.csv", "target": "y", **wrong})
