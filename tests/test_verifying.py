"""What was reported can be run again, by the report alone too."""

import pytest
from typer import Exit

from fedrobust.errors import ConfigError
from fedrobust.report.gathering import content_of
from fedrobust.report.page import page
from fedrobust.reporting import verify
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from fedrobust.study import Study
from fedrobust.verifying import claims_of, rerun

TINY = {"rounds": 2, "clients": 7, "data": "digits", "strategy": "krum"}


def silent(progress):
    pass


@pytest.fixture
def folder(tmp_path):
    simulate(Scenario.parse(TINY), tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_run_ends_with_the_same_model_again(folder):
    (claim,) = claims_of(str(folder), folder.parent)

    assert claim.changes() == []
    assert rerun(claim, silent) == claim.model_hash


def test_a_run_is_found_by_its_id(folder):
    with Store(folder) as store:
        id = store.runs()[0].id

    assert [claim.run for claim in claims_of(id[:6], folder.parent)] == [id]


def test_a_page_alone_is_enough(folder, tmp_path):
    report = tmp_path / "report.html"
    report.write_text(page(content_of(folder)))

    (claim,) = claims_of(str(report), tmp_path / "nowhere")

    assert rerun(claim, silent) == claim.model_hash


def test_another_scenario_ends_with_another_model(folder):
    with Store(folder) as store, store._transaction() as sql:
        sql.execute("UPDATE runs SET scenario = json_set(scenario, '$.rounds', 3)")

    (claim,) = claims_of(str(folder), folder.parent)

    assert rerun(claim, silent) != claim.model_hash


def test_versions_that_changed_are_told(folder):
    with Store(folder) as store, store._transaction() as sql:
        sql.execute("UPDATE runs SET versions = json_set(versions, '$.torch', '1.0')")

    (claim,) = claims_of(str(folder), folder.parent)
    (change,) = claim.changes()
    assert change.startswith("torch ")
    assert change.endswith(", then 1.0")


def test_what_has_not_finished_cannot_be_verified(folder):
    with Store(folder) as store:
        store.truncate(store.runs()[0].id, 1)

    with pytest.raises(ConfigError, match=r"has not; finished in .*: none"):
        claims_of(str(folder), folder.parent)


def test_a_page_of_somebody_else_is_refused(tmp_path):
    other = tmp_path / "other.html"
    other.write_text("<html></html>")

    with pytest.raises(ConfigError, match="has no run"):
        claims_of(str(other), tmp_path)
    with pytest.raises(ConfigError, match="is no report that fedrobust wrote"):
        claims_of(str(tmp_path / "none.html"), tmp_path)


def test_of_a_cell_that_is_not_complete_the_scenario_is_that_of_the_run_there_is(tmp_path):
    study = Study.parse({"seeds": [0, 1], "scenario": TINY, "axes": {"strategy": ["mean", "krum"]}})
    text = 'seeds = [0, 1]\n[scenario]\nrounds = 2\nclients = 7\ndata = "digits"\n'
    (tmp_path / "study.toml").write_text(f'{text}[axes]\nstrategy = ["mean", "krum"]\n')
    cells = [cell for cell in study.cells() if cell.seed == 1]
    for cell in cells:
        simulate(cell.scenario, tmp_path)
    report = tmp_path / "report.html"
    report.write_text(page(content_of(tmp_path)))

    claims = claims_of(str(report), tmp_path)

    assert [claim.scenario.seed for claim in claims] == [1, 1]
    assert rerun(claims[0], silent) == claims[0].model_hash


def test_a_model_that_is_not_what_was_reported_is_told_of(folder, capsys):
    verify(str(folder), None, True, folder.parent)
    with Store(folder) as store, store._transaction() as sql:
        sql.execute("UPDATE runs SET model_hash = 'other'")

    with pytest.raises(Exit):
        verify(str(folder), None, False, folder.parent)

    said = capsys.readouterr().out
    assert "Verified: " in said
    assert "Not the same: " in said
    assert "The versions are the same" in said
