"""A user's own architecture, named in a scenario as ``package.module:Class``."""

from importlib import import_module
from typing import Any

from pydantic import Field, model_serializer
from torch import nn

from fedrobust.core.task import Model
from fedrobust.errors import ConfigError

__all__ = ["Imported"]


class Imported(Model):
    """Build any `torch.nn.Module` class from the arguments in the scenario.

    Fields:
        target: where the class lies, as ``package.module:Class``.
        arguments: what its constructor is called with.
    """

    target: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        module, _, name = self.target.partition(":")
        try:
            built = getattr(import_module(module), name)(**self.arguments)
        except TypeError as error:
            raise ConfigError(f"model: {self.target} cannot be built: {error}.") from error
        if not isinstance(built, nn.Module):
            raise ConfigError(f"model: {self.target} is a {type(built).__name__}, no nn.Module.")
        return built

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {"name": self.target, **self.arguments}
