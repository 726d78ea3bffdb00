"""Say what is wrong with a scenario, and what to type instead."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fedrobust.errors import ConfigError
from fedrobust.registry import suggestion

__all__ = ["FieldErrors", "explain"]

_SHOULD = "input should "

Path = tuple[str | int, ...]


class FieldErrors(ConfigError):
    """What is wrong with the fields of one component, a line each, without its own path."""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return one line for each thing that is wrong: its path, the reason, the value.

    Args:
        error: what pydantic raised when it validated a table as `model`.
        model: the class it validated against, whose fields unknown keys are compared with.  The
            `examples` of a field are lines of TOML.
    """
    lines: dict[str, None] = {}
    expected: dict[tuple[str, str], list[str]] = {}  # by path and value: each of these would do
    for found in error.errors(include_url=False):
        path = ".".join(str(part) for part in found["loc"] if not _is_alternative(part))
        if found["type"] == "value_error":
            cause = found["ctx"]["error"]
            inner = isinstance(cause, FieldErrors)
            lines |= dict.fromkeys(_at(path, line, inner=inner) for line in str(cause).split("\n"))
        elif reason := _reason(found, model):
            lines[f"{path}: {reason}"] = None
        else:
            text = found["msg"].partition(", unable to")[0]
            text = text[0].lower() + text[1:]
            expected.setdefault((path, repr(found["input"])), []).append(text)
    return "\n".join(
        [*lines, *(f"{path}: {_or(texts)}, not {got}." for (path, got), texts in expected.items())]
    )


def _reason(found: Any, model: type[BaseModel]) -> str:
    """Return what to type instead; nothing where pydantic's words will do."""
    loc, value = found["loc"], found["input"]
    match found["type"]:
        case "extra_forbidden":
            known = _fields(_at_path(model, loc[:-1]))
            near = suggestion(str(loc[-1]), known)
            return "no such key." + (near or f" Known: {', '.join(known) or 'none'}.")
        case "missing":
            return f"is required{_example(model, loc)}."
        case "too_short" if found["ctx"]["min_length"] == 1:
            return f"needs one at least{_example(model, loc)}."
        case "tuple_type":
            return _in_brackets(value, _at_path(model, loc))
        case "model_type":
            return (
                f"needs a table, such as {_sketch(_fields(_at_path(model, loc)))}, not {value!r}."
            )
    return ""


def _in_brackets(value: Any, model: type[BaseModel] | None) -> str:
    """Return how to write a list, given what stands there and what its entries are."""
    if isinstance(value, dict) and value and all(key.isdecimal() for key in value):
        return f"there is no list yet in which to change entry {' or '.join(value)}."
    fields = model.model_fields if model else {}
    if isinstance(value, dict) and all(
        key in value for key, field in fields.items() if field.is_required()
    ):
        return "write it in brackets: [{ ... }]."
    if model:
        return f"needs tables in brackets, such as [{_sketch(_fields(model))}], not {value!r}."
    return f"write it in brackets: [{value!r}]."


def _sketch(fields: list[str]) -> str:
    return f"{{ {', '.join(f'{name} = ...' for name in fields[:2])} }}"


def _example(model: type[BaseModel], path: Path) -> str:
    owner = _at_path(model, path[:-1])
    field = owner.model_fields.get(str(path[-1])) if owner else None
    return f", such as {field.examples[0]}" if field and field.examples else ""


def _or(texts: list[str]) -> str:
    """Return alternatives as one sentence."""
    if all(text.startswith(_SHOULD) for text in texts):
        return _SHOULD + " or ".join(text.removeprefix(_SHOULD) for text in texts)
    return " or ".join(texts)


def _at(path: str, line: str, *, inner: bool) -> str:
    """Return a complaint about what is at a path, or, if `inner`, about what is below it."""
    whole = line.startswith(": ")  # about a component rather than one of its fields
    join = "" if whole or (inner and not path) else "." if inner else ": "
    return f"{path}{join}{line}"


def _is_alternative(part: str | int) -> bool:
    """Say whether a part of pydantic's path names one type among several, and no key."""
    return isinstance(part, str) and (part.startswith("constrained-") or part.endswith("]"))


def _at_path(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the model at a path below `model`; None if something else is there."""
    found: Any = model
    for part in path:
        fields = getattr(found, "model_fields", {})
        found = fields[part].annotation if part in fields else found
        inner = [a for a in get_args(found) if isinstance(a, type) and issubclass(a, BaseModel)]
        found = inner[0] if inner else found
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _fields(model: type[BaseModel] | None) -> list[str]:
    return list(model.model_fields) if model else []
