"""A report of any folder: without a study, begun only, of several settings, empty."""

import pytest

from fedrobust.comparing import compare
from fedrobust.errors import ConfigError, ResultsError
from fedrobust.report.gathering import content_of
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from fedrobust.study import Study

TINY = {"rounds": 2, "clients": 7, "data": "digits"}
FLIP = [{"attack": "sign_flip", "share": 0.3}]


def test_runs_without_a_study_are_told_apart_by_what_differs(tmp_path):
    for strategy in ("mean", "krum"):
        for adversary in ([], FLIP):
            scenario = {**TINY, "strategy": strategy, "adversary": adversary}
            simulate(Scenario.parse(scenario), tmp_path)

    found = content_of(tmp_path)

    assert [o.label for o in found.defenses] == ["mean", "krum"]
    assert [o.label for o in found.threats] == ["none", "sign_flip"]
    assert {cell.state for cell in found.cells} == {"done"}
    assert found.cells[0].figures["accuracy"].low is None
    assert "nothing can be said about chance" in dict(found.method)["Statistics"]


def test_one_run_alone_makes_a_report(tmp_path):
    simulate(Scenario.parse({**TINY, "strategy": "krum", "adversary": FLIP}), tmp_path)

    found = content_of(tmp_path)

    assert (found.defenses[0].label, found.threats[0].label) == ("krum", "sign_flip")
    assert found.headlines[0].text.startswith("Under sign_flip, krum scores highest")


def test_a_study_that_has_only_begun_tells_what_is_missing(results, tmp_path):
    (tmp_path / "study.toml").write_text((results / "study.toml").read_text())
    first = Study.load(results / "study.toml").cells()[0]
    simulate(first.scenario, tmp_path)

    found = content_of(tmp_path)

    assert found.cells[0].state == "partly"
    assert found.cells[0].why == "1 of 3 seeds have finished (0)"
    assert any("cells are not complete" in doubt for doubt in found.warnings)
    assert found.cells[1].state == "missing"
    assert found.headlines == []


def test_settings_are_told_apart(tmp_path):
    study = """
seeds = [0]
[scenario]
rounds = 1
clients = 4
data = "digits"
[axes]
strategy = ["mean", "coordinate_median"]
"training.lr" = [0.1, 0.5]
"""
    (tmp_path / "study.toml").write_text(study)
    compare(Study.load(tmp_path / "study.toml").cells(), tmp_path)

    found = content_of(tmp_path)

    assert [o.label for o in found.settings] == ["lr 0.1", "lr 0.5"]
    assert any("tuning on test data" in doubt for doubt in found.warnings)
    assert any("seed" in doubt for doubt in found.warnings)


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(ResultsError, match="has none"):
        content_of(tmp_path)


def test_a_folder_in_which_nothing_finished_is_refused(tmp_path):
    Store(tmp_path).close()

    with pytest.raises(ConfigError, match="needs a run that has finished"):
        content_of(tmp_path)


def test_runs_of_different_strength_are_told_apart_by_it(tmp_path):
    """Whatever the order in which they ran: a number by arrival would mix them up."""
    for seed, shares in ((0, (0.15, 0.3)), (1, (0.3, 0.15))):
        for share in shares:
            for strategy in ("mean", "coordinate_median"):
                attack = [{"attack": "sign_flip", "share": share}]
                table = {**TINY, "seed": seed, "strategy": strategy, "adversary": attack}
                simulate(Scenario.parse(table), tmp_path)

    found = content_of(tmp_path)

    assert [o.label for o in found.threats] == ["sign_flip, share 0.15", "sign_flip, share 0.3"]
    assert [o.label for o in found.defenses] == ["mean", "coordinate_median"]
    with Store(tmp_path) as store:
        for cell in found.cells:
            shares = {store.run(run.id).scenario["adversary"][0]["share"] for run in cell.runs}
            assert len(shares) == 1
            assert len(cell.runs) == 2
