"""What a scenario may not be, beyond what the types of its fields say."""

from itertools import pairwise
from typing import TYPE_CHECKING

from fedrobust.core.aggregator import Aggregator, PostAggregator, PreAggregator
from fedrobust.core.rehearsal import Rehearsal
from fedrobust.core.sampling import malicious_in_sample
from fedrobust.errors import AggregationError, ConfigError, TooManyMalicious

if TYPE_CHECKING:
    from fedrobust.scenario import Scenario

__all__ = ["check"]


def check(scenario: "Scenario") -> None:
    """Refuse what pydantic cannot see: client ids, two rules, a rule beyond its bound.

    Raises:
        ConfigError: with the path of what is wrong.
    """
    _ = scenario.adversaries
    _check_order(scenario)
    _check_needs(scenario)
    declared = min(scenario.declared, scenario.clients)
    expected = malicious_in_sample(scenario.clients, declared, scenario.sampled)
    try:
        Rehearsal(scenario.rule, scenario.sampled).play(expected)
    except TooManyMalicious as error:
        raise ConfigError(
            f"strategy: {error} (A round has {scenario.sampled} of {scenario.clients} clients; set "
            "num_malicious, sample or clients.)"
        ) from error
    except AggregationError as error:
        raise ConfigError(f"strategy: {error}") from error


def _check_needs(scenario: "Scenario") -> None:
    rule = scenario.rule
    if rule.needs_root and not scenario.root_examples:
        needing = next(stage.reference() for stage in rule.stages if stage.needs_root)
        raise ConfigError(
            f"strategy: {needing} compares updates with what the server learns from examples "
            "of its own, and it has none; set root_examples, such as 100."
        )
    for client in rule.needs_clients:
        needing = f"strategy: {rule.rule.reference()} needs client {client} in every round"
        if client >= scenario.clients:
            raise ConfigError(f"{needing}: ids go from 0 to {scenario.clients - 1}.")
        if scenario.sampled < scenario.clients:
            raise ConfigError(f"{needing}, and samples leave it out; set sample = 1.")


def _check_order(scenario: "Scenario") -> None:
    order = {PreAggregator: 0, Aggregator: 1, PostAggregator: 2}
    places = [
        (place, part.reference())
        for part in scenario.strategy
        for kind, place in order.items()
        if isinstance(part, kind)
    ]
    for (before, first), (after, second) in pairwise(places):
        if before > after:
            raise ConfigError(
                f"strategy: {second} acts before {first}; write it before {first}, too."
            )
