"""Fields of a scenario that hold components, written by name."""

from collections.abc import Collection
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, SerializeAsAny, TypeAdapter, ValidationError

from fedrobust import registry
from fedrobust.complaints import FieldErrors, explain
from fedrobust.core.adversary import Attack
from fedrobust.core.aggregator import Stage
from fedrobust.core.behavior import Behavior
from fedrobust.core.component import Component
from fedrobust.core.federation import Partition
from fedrobust.core.mishap import Mishap
from fedrobust.core.task import DataSet, Model
from fedrobust.errors import ConfigError

__all__ = [
    "AttackPart",
    "DataPart",
    "FaultPart",
    "ModelPart",
    "PartitionPart",
    "StrategyPart",
    "default",
    "listed",
]


def _named(kind: str, *bases: type[Component]) -> BeforeValidator:
    """Turn ``"krum"`` or ``{"name": "krum", ...}`` into the component of that name."""

    def build(value: Any) -> Any:
        fields = {"name": value} if isinstance(value, str) else value
        if not isinstance(fields, dict):
            return value
        fields = dict(fields)
        if "name" not in fields:
            raise ConfigError(f"needs a name, such as {{ name = {_having(kind, fields)!r} }}.")
        name = str(fields.pop("name"))
        found = registry.find(kind, name)
        if issubclass(found, torch.nn.Module) and Model in bases:
            from fedrobust.models import Imported

            found, fields = Imported, {"target": name, "arguments": fields}
        if not issubclass(found, bases) or (kind == "strategies" and issubclass(found, Attack)):
            what = " or ".join(base.__name__ for base in bases)
            raise ConfigError(f"{name!r} is no {what}, but a {found.__name__}.")
        try:
            return found.model_validate(_with_parts(found, fields))
        except ValidationError as error:
            raise FieldErrors(explain(error, found)) from error

    return BeforeValidator(build)


def _having(kind: str, keys: Collection[str]) -> str:
    """Return the name of a component that has some keys; any, if none has all of them."""
    names = registry.builtin(kind)
    known = ((name, getattr(registry.find(kind, name), "model_fields", {})) for name in names)
    return next((name for name, fields in known if all(k in fields for k in keys)), names[0])


def _with_parts(found: type[Component], fields: dict[str, Any]) -> dict[str, Any]:
    """Build what a component holds of others: the attack that another one wraps."""
    held = {name for name, info in found.model_fields.items() if info.annotation is Attack}
    return {k: _inner_attack(k, value) if k in held else value for k, value in fields.items()}


def _inner_attack(field: str, value: Any) -> Any:
    try:
        return TypeAdapter(AttackPart).validate_python(value)
    except ValidationError as error:
        lines = explain(error, Attack).split("\n")
        at = [f"{field}{'' if line.startswith(':') else '.'}{line}" for line in lines]
        raise FieldErrors("\n".join(at)) from error
    except ConfigError as error:
        raise FieldErrors(f"{field}: {error}") from error


def listed(value: Any) -> Any:
    """Let a list of one part be written without brackets."""
    return [value] if isinstance(value, str | dict | Component) else value


def default(kind: str, name: str, **fields: Any) -> Any:
    return Field(default_factory=lambda: registry.find(kind, name)(**fields))


StrategyPart = Annotated[SerializeAsAny[Component], _named("strategies", Behavior, Stage)]
AttackPart = Annotated[SerializeAsAny[Attack], _named("attacks", Attack)]
FaultPart = Annotated[SerializeAsAny[Mishap], _named("faults", Mishap)]
DataPart = Annotated[SerializeAsAny[DataSet], _named("data", DataSet)]
PartitionPart = Annotated[SerializeAsAny[Partition], _named("partitions", Partition)]
ModelPart = Annotated[SerializeAsAny[Model], _named("models", Model)]
