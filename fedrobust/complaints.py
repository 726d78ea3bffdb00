"""Say what is wrong with a scenario, and what to type instead."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fedrobust.errors import ConfigError
from fedrobust.registry import suggestion

__all__ = ["FieldErrors", "explain"]


class FieldErrors(ConfigError):
    """What is wrong with the fields of one component, a line each, without its own path."""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return one line for each thing that is wrong: its path, the reason, the value.

    Args:
        error: what pydantic raised when it validated a table as `model`.
        model: the class it validated against, whose fields unknown keys are compared with.
    """
    return "\n".join(_line(found, model) for found in error.errors(include_url=False))


def _line(found: Any, model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in found["loc"])
    value = found["input"]
    match found["type"]:
        case "extra_forbidden":
            known = list(_fields(model, found["loc"][:-1]))
            reason = f"no such key.{suggestion(str(found['loc'][-1]), known)} Known: " + ", ".join(
                known
            )
            return f"{path}: {reason}."
        case "value_error":
            error = found["ctx"]["error"]
            join = "." if isinstance(error, FieldErrors) else ": "
            return "\n".join(f"{path}{join}{line}" for line in str(error).split("\n"))
        case "missing":
            return f"{path}: required, but not given."
        case _:
            message = found["msg"][0].lower() + found["msg"][1:]
            return f"{path}: {message}, not {value!r}."


def _fields(model: Any, path: tuple[Any, ...]) -> Iterator[str]:
    """Yield the field names of the model at a path below `model`."""
    for part in path:
        fields = getattr(model, "model_fields", {})
        model = fields[part].annotation if part in fields else model
        inner = [a for a in get_args(model) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = inner[0] if inner else model
    if isinstance(model, type) and issubclass(model, BaseModel):
        yield from model.model_fields
