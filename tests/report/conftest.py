"""A small study that really ran, for tests of what is read from results."""

import pytest

from fedrobust.comparing import compare
from fedrobust.study import Study
from tests.report.browser import chromium

STUDY = """
name = "A small study"
seeds = [0, 1, 2]

[scenario]
rounds = 8
clients = 8
data = "digits"
evaluate_every = 2

[axes.strategy]
"mean" = "mean"
"median" = "coordinate_median"
"multi-Krum" = { name = "krum", keep = "n-f" }
"multi-Krum of many" = { name = "krum", num_malicious = 4 }

[axes.adversary]
"nobody" = []
"sign flip" = [{ attack = { name = "sign_flip", scale = 4.0 }, share = 0.25 }]
"backdoor" = [{ attack = "patch_backdoor", share = 0.25 }]
"""


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A folder with the results of STUDY."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "study.toml").write_text(STUDY)
    comparison = compare(Study.load(folder / "study.toml").cells(), folder, 2)
    assert comparison.count("done") == 27
    return folder


@pytest.fixture(scope="module")
def browser():
    """Chromium, started once for each file: its loop would be in the way of others."""
    with chromium() as started:
        yield started
