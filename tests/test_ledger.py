"""What `fedrobust ledger` says of a run."""

import pytest

from fedrobust.errors import ConfigError
from fedrobust.ledger import show_ledger
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from tests.effects import DIGITS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run in which two of ten clients send long updates, and one such that cannot be squared."""
    table = {
        **DIGITS,
        "clients": 10,
        "rounds": 4,
        "strategy": {"name": "krum", "keep": "n-f"},
        "adversary": [
            {"attack": {"name": "rescaling", "factor": 100.0}, "clients": [2, 7]},
            {"attack": "non_finite", "clients": [4], "active": {"start": 3}},
        ],
    }
    folder = tmp_path_factory.mktemp("runs")
    simulate(Scenario.parse(table), folder)
    return folder


@pytest.fixture
def told(folder, capsys):
    def tell(client=None):
        show_ledger(str(folder), client, folder)
        return [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]

    return tell


def test_roles_are_told_with_what_became_of_them(told):
    lines = {line[0]: line for line in told()}

    assert lines["rescaling"][1:6] == ["2", "8", "0", "0", "100%"]
    assert lines["rescaling"][-3:] == ["100%", "at", "once"]
    assert lines["non_finite"][1:6] == ["1", "2", "0", "2", "100%"]


def test_each_client_that_was_left_out_is_told_why(told):
    lines = {line[0]: " ".join(line) for line in told()}

    assert " ".join(lines["2"].split()[1:6]) == "rescaling 4 0 0 100%"
    assert lines["2"].endswith("by krum")
    assert "by krum; an update too large" in lines["4"]


def test_one_client_is_told_round_by_round(told):
    rows = [line for line in told(4) if line[0].isdigit()]

    assert [row[:2] for row in rows] == [
        ["1", "honest"], ["2", "honest"], ["3", "non_finite"], ["4", "non_finite"],
    ]  # fmt: skip
    assert " ".join(rows[-1]).endswith("an update too large to square")


def test_an_unknown_client_is_refused_with_those_there_are(folder):
    with pytest.raises(ConfigError, match=r"No client 99 .* from 0 to 9"):
        show_ledger(str(folder), 99, folder)


def test_an_unknown_run_is_refused_with_where_there_are_some(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"No run or folder 'zzz'"):
        show_ledger("zzz", None, folder)


@pytest.mark.parametrize("rule", ["reputation", "mean"])
def test_a_rule_that_keeps_reputations_is_asked_when_it_removed_whom(rule, tmp_path, capsys):
    table = {
        **DIGITS,
        "clients": 8,
        "rounds": 8,
        "model": {"name": "mlp", "hidden": [32]},
        "training": {"epochs": 2, "batch_size": 16, "lr": 0.2},
        "strategy": "mean",
        "adversary": [{"attack": {"name": "random_weights", "bound": 1.0}, "clients": [6, 7]}],
    }
    if rule == "reputation":
        table["strategy"] = {"name": rule, "max_norm": 0.2, "warm_up": 3, "memory": 0.5}
    simulate(Scenario.parse(table), tmp_path)

    show_ledger(str(tmp_path), None, tmp_path)

    told = capsys.readouterr().out
    assert ("removed in round" in told) == (rule == "reputation")
    if rule == "reputation":
        lines = {line.split()[0]: line.split() for line in told.splitlines() if line.strip()}
        assert lines["7"][6:8] == ["5", "4"]
