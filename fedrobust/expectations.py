"""How many malicious clients a server expects while nobody attacks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from fedrobust.axes import role
from fedrobust.errors import ConfigError
from fedrobust.scenario import Scenario

__all__ = ["expecting"]

EXPECTED = "num_malicious"

Combination = tuple[dict[str, str], dict[str, Any]]  # labels, and the scenario as tables


def expecting(combinations: Sequence[Combination]) -> Iterator[Combination]:
    """Yield combinations in which no server knows that nobody attacks.

    A rule that is told so is another rule, such as the mean in place of a trimmed mean, and would
    cost nothing.  So where nobody attacks, and the scenario does not say how many malicious clients
    to expect, it is as many as under the worst of the other threats to the same defense.  Clients
    who learn alone have no server to expect anybody.
    """
    expected: dict[tuple[str, ...], int] = {}
    known = []
    for labels, table in combinations:
        declared, alone = 0, False
        with suppress(ConfigError, ValidationError):  # what is wrong is told when it is parsed
            scenario = Scenario.model_validate(table)
            declared, alone = scenario.declared, scenario.is_standalone
        known.append(declared > 0 or alone)
        key = _defended(labels)
        expected[key] = max(declared, expected.get(key, 0))
    for (labels, table), settled in zip(combinations, known, strict=True):
        most = expected[_defended(labels)]
        if settled or EXPECTED in table or not most:
            yield labels, table
        else:
            yield labels, {**table, EXPECTED: most}


def _defended(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for axis, name in labels.items() if role(axis) != "threat")
