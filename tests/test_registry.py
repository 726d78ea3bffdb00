import sys
from types import ModuleType

import pytest

from fedrobust import registry
from fedrobust.errors import UnknownComponent


def test_a_file_that_names_nothing_public_says_what_it_needs(monkeypatch):
    module = ModuleType("fedrobust.strategies.shortest")
    module.__file__ = "strategies/shortest.py"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "builtin", lambda kind: ["shortest"])

    with pytest.raises(UnknownComponent, match=r'strategies/shortest\.py needs .* \["Shortest"\]'):
        registry.find("strategies", "shortest")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kurm", "Did you mean 'krum'"),
        ("no.such:Rule", "Write it as package.module:Class"),
        (":Rule", "Write it as"),
        ("fedrobust.strategies.krum:Crum", "Write it as"),
        ("math:pi", "is a float, not a class"),
    ],
)
def test_what_cannot_be_found_is_said(name, says):
    with pytest.raises(UnknownComponent, match=says):
        registry.find("strategies", name)


def test_an_installed_package_adds_components(monkeypatch):
    class Plugin:
        name = "theirs"

        def load(self):
            return dict

    monkeypatch.setattr(registry, "entry_points", lambda **where: [Plugin()])

    assert registry.find("attacks", "theirs") is dict
    assert "theirs" in registry.names("attacks")
