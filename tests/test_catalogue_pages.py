import runpy
from pathlib import Path

import pytest

from fedrobust import registry

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def document():
    return runpy.run_path(str(DOCS / "make_catalogue.py"))["document"]


@pytest.mark.parametrize(("kind", "least"), [("strategies", 7), ("attacks", 7), ("faults", 4)])
def test_what_the_committed_page_tells_is_true(document, kind, least):
    """A new component, which is one file and its test, may be missing until the next writing."""
    committed = (DOCS / f"{kind}.md").read_text(encoding="utf-8")

    told = [section.partition("\n")[0] for section in committed.split("\n## ")[1:]]

    assert len(told) >= least
    assert committed == document(kind, told), "run: python docs/make_catalogue.py"


@pytest.mark.parametrize("kind", ["strategies", "attacks", "faults"])
def test_a_page_tells_of_every_component_its_fields_and_its_source(document, kind):
    sections = document(kind).split("\n## ")[1:]

    assert [section.partition("\n")[0] for section in sections] == registry.builtin(kind)
    for section in sections:
        component = registry.find(kind, section.partition("\n")[0])
        for field in component.model_fields:
            assert f"| `{field}` |" in section
