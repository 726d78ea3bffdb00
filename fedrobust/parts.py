"""Fields of a scenario that hold components, written by name."""

from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError

from fedrobust import registry
from fedrobust.complaints import FieldErrors, explain
from fedrobust.core.adversary import Attack
from fedrobust.core.aggregator import Stage
from fedrobust.core.behavior import Behavior
from fedrobust.core.component import Component
from fedrobust.core.federation import Partition
from fedrobust.core.task import DataSet, Model
from fedrobust.errors import ConfigError

__all__ = ["AttackPart", "DataPart", "ModelPart", "PartitionPart", "StrategyPart", "default"]


def _named(kind: str, *bases: type[Component]) -> BeforeValidator:
    """Turn ``"krum"`` or ``{"name": "krum", ...}`` into the component of that name."""

    def build(value: Any) -> Any:
        fields = {"name": value} if isinstance(value, str) else value
        if not isinstance(fields, dict):
            return value
        fields = dict(fields)
        if "name" not in fields:
            raise ConfigError(f"needs a name, such as {{ name = {registry.names(kind)[0]!r} }}.")
        name = str(fields.pop("name"))
        found = registry.find(kind, name)
        if issubclass(found, torch.nn.Module) and Model in bases:
            from fedrobust.models import Imported

            found, fields = Imported, {"target": name, "arguments": fields}
        if not issubclass(found, bases) or (kind == "strategies" and issubclass(found, Attack)):
            what = " or ".join(base.__name__ for base in bases)
            raise ConfigError(f"{name!r} is no {what}, but a {found.__name__}.")
        try:
            return found.model_validate(fields)
        except ValidationError as error:
            raise FieldErrors(explain(error, found)) from error

    return BeforeValidator(build)


def default(kind: str, name: str, **fields: Any) -> Any:
    return Field(default_factory=lambda: registry.find(kind, name)(**fields))


StrategyPart = Annotated[SerializeAsAny[Component], _named("strategies", Behavior, Stage)]
AttackPart = Annotated[SerializeAsAny[Attack], _named("attacks", Attack)]
DataPart = Annotated[SerializeAsAny[DataSet], _named("data", DataSet)]
PartitionPart = Annotated[SerializeAsAny[Partition], _named("partitions", Partition)]
ModelPart = Annotated[SerializeAsAny[Model], _named("models", Model)]
