"""The base of everything that can be named in a scenario."""

import re
from typing import Any, Self

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

__all__ = ["Component"]

_FOLDERS = ("fedrobust.strategies", "fedrobust.attacks", "fedrobust.faults", "fedrobust.data")
_MODULES = ("fedrobust.data.partition", "fedrobust.models")
_DEFAULTS = {"fedrobust.core.aggregator:Mean": "mean"}  # defined in core, listed in a folder


class Component(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """An immutable object that is its own configuration.

    Subclasses declare hyper-parameters as annotated fields and hold no other attributes:
    what changes between rounds is passed in and returned as state.
    """

    @classmethod
    def reference(cls) -> str:
        """Return the name that finds this class again: ``krum``, or ``package.module:Class``."""
        package, _, module = cls.__module__.rpartition(".")
        if cls.__module__ in _MODULES:
            return snake_case(cls.__name__)
        where = f"{cls.__module__}:{cls.__qualname__}"
        return module if package in _FOLDERS else _DEFAULTS.get(where, where)

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        """Return this component, completed with what it has to know about the data.

        Raises:
            ConfigError: if it cannot work with such data.
        """
        return self

    @model_serializer(mode="wrap")
    def _with_name(self: Self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"name": self.reference(), **fields(self)}


def snake_case(name: str) -> str:
    """Return the scenario's name of a class.

    >>> [snake_case(name) for name in ("PowerLaw", "LeNet", "MLP", "IID", "ResNet")]
    ['power_law', 'lenet', 'mlp', 'iid', 'resnet']
    """
    if name.endswith("Net"):
        return name.lower()
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
