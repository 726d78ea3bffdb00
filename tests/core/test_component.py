import pytest
from pydantic import PositiveFloat, ValidationError

from fedrobust.attacks.alie import ALIE
from fedrobust.core.aggregator import Mean
from fedrobust.core.chain import Chain
from fedrobust.core.component import Component
from fedrobust.strategies.krum import Krum


class Knob(Component):
    """Turn.

    Fields:
        size: how far.
    """

    size: PositiveFloat = 1.0


@pytest.mark.parametrize(
    ("component", "reference"),
    [
        (Krum, "krum"),
        (ALIE, "alie"),
        (Mean, "mean"),  # defined in core, and found in strategies/
        (Chain, "fedrobust.core.chain:Chain"),
        (Knob, f"{Knob.__module__}:Knob"),
    ],
)
def test_a_reference_finds_the_class_again(component, reference):
    assert component.reference() == reference


def test_a_component_prints_and_dumps_as_its_configuration():
    assert Knob(size=2).model_dump() == {"name": f"{Knob.__module__}:Knob", "size": 2.0}
    assert Krum(keep=3).model_dump() == {
        "name": "krum",
        "num_malicious": None,
        "keep": 3,
        "neighbors": "n-f-2",
    }


def test_components_with_the_same_fields_are_equal():
    assert Knob(size=2) == Knob(size=2.0) != Knob()
    assert hash(Knob(size=2)) == hash(Knob(size=2.0))


def test_a_component_never_changes():
    with pytest.raises(ValidationError, match="frozen"):
        Knob().size = 2.0


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"size": "wide"}, {"size": float("inf")}, {"sise": 1}]
)
def test_a_component_rejects(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Knob(**wrong)


def test_a_component_fits_any_task_unless_it_says_otherwise():
    knob = Knob()

    assert knob.for_task(10, (1, 8, 8)) is knob
