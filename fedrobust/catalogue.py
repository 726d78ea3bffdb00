"""What components there are, and what each of them does: read from the code itself."""

import inspect
import re
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fedrobust import registry
from fedrobust.core.adversary import Attack
from fedrobust.core.aggregator import Aggregator, Bounded, PostAggregator, PreAggregator
from fedrobust.core.behavior import Behavior
from fedrobust.errors import ConfigError, UnknownComponent
from fedrobust.threat_models import FAMILIES, family, threat_model

__all__ = ["groups", "listing", "page"]

_ACTS = {
    Aggregator: "a rule, on the server",
    PreAggregator: "a step before the rule, on the server",
    PostAggregator: "a step after the rule, on the server",
    Behavior: "on every client",
}


def groups(kind: str) -> dict[str, list[str]]:
    """Return the names of a kind's components: strategies and attacks by where they act."""
    if kind == "attacks":
        named = [(family(registry.find(kind, name)), name) for name in registry.names(kind)]
        sorted_ = {f"attacks: {text}": [n for f, n in named if f == text] for text in FAMILIES}
        return {title: names for title, names in sorted_.items() if names}
    if kind != "strategies":
        return {kind: registry.names(kind)}
    sorted_ = {f"strategies: {text}": [] for text in _ACTS.values()}
    for name in registry.names(kind):
        sorted_.setdefault(f"strategies: {_place(registry.find(kind, name))}", []).append(name)
    return {title: names for title, names in sorted_.items() if names}


def listing(kind: str | None = None) -> str:
    """Return the names of all components of a kind, or of all, with a line on each.

    Raises:
        ConfigError: if there is no such kind.
    """
    if kind is not None and kind not in registry.KINDS:
        raise ConfigError(
            f"No kind {kind!r}.{registry.suggestion(kind, list(registry.KINDS))} "
            f"Kinds: {', '.join(registry.KINDS)}."
        )
    parts = []
    for each in [kind] if kind else registry.KINDS:
        width = max(len(name) for name in registry.names(each))
        for title, names in groups(each).items():
            lines = [f"  {name:<{width}}  {_headline(registry.find(each, name))}" for name in names]
            parts.append("\n".join([title, *lines]))
    return "\n\n".join(parts)


def page(name: str) -> str:
    """Return what a component does, its fields, its bound and its source.

    Raises:
        UnknownComponent: if nothing has that name.
    """
    for kind in registry.KINDS:
        if ":" in name or name in registry.names(kind):
            return _page(kind, name, registry.find(kind, name))
    everything = [known for kind in registry.KINDS for known in registry.names(kind)]
    raise UnknownComponent(
        f"Nothing is called {name!r}.{registry.suggestion(name, everything)} "
        "`fedrobust list` shows all names."
    )


def _page(kind: str, name: str, found: type) -> str:
    doc = inspect.getdoc(found) or ""
    prose, _, described = doc.partition("Fields:\n")
    about = _described(described)
    where = f"{kind}{f', {_place(found)}' if kind == 'strategies' else ''}"
    lines = [f"{name}  ({where})", "", prose.strip()]
    if issubclass(found, Attack):
        lines += ["", f"Threat model: {threat_model(found)}."]
    if issubclass(found, Bounded):
        bound = found.model_construct().requirement()
        lines += ["", f"Bound: {bound} (n updates in a round, f of them malicious)."]
    if proven := _proven(found):
        lines += ["", f"Proven: {proven}; see `fedrobust certify`."]
    if issubclass(found, BaseModel) and found.model_fields:
        lines += ["", "Fields:"]
        for field, info in found.model_fields.items():
            lines.append(f"  {field}{_default(info)}")
            if text := about.get(field) or info.description:
                lines.append(f"      {text}")
    if source := _source(kind, name, found):
        lines += ["", "Source:", *(f"  {line}" for line in source.splitlines())]
    example = ", ".join([f'name = "{name}"', *_required(found)])
    return "\n".join([*lines, "", f"In a scenario: {{ {example} }}"])


def _proven(found: type) -> str:
    """Return what is proven of a rule, or of a rule behind a step; nothing if nothing is."""
    n, f = 20, 4
    where = f"times the honest variance for f = {f} of n = {n}"
    if issubclass(found, Aggregator):
        kappa = found.model_construct().kappa(n, f)
        if kappa is not None:
            least = f"(no rule: below {f / (n - 2 * f):.2f})"
            return f"its squared error is at most {kappa:.2f} {where} {least}"
    elif issubclass(found, PreAggregator):
        step = found.model_construct()
        best, more = step.kappa(n, f, 0.0), step.kappa(n, f, 1.0)
        if best is not None and more is not None:
            return (
                "the squared error of a rule behind it, alone at most kappa times, is at most "
                f"{best:.2f} + {more - best:.2f} kappa {where}"
            )
    return ""


def _place(found: type) -> str:
    return next((text for base, text in _ACTS.items() if issubclass(found, base)), "")


def _headline(found: type) -> str:
    return (inspect.getdoc(found) or "").partition("\n")[0]


def _described(text: str) -> dict[str, str]:
    """Return what a docstring's `Fields:` section says of each field."""
    about: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        if match := re.match(r" {4}(\w+(?:, \w+)*): (.*)", line):
            names = match[1].split(", ")
            about |= dict.fromkeys(names, match[2])
        elif line.startswith(" " * 8):
            about |= {name: f"{about[name]} {line.strip()}" for name in names}
        else:
            names = []
    return about


def _default(info: FieldInfo) -> str:
    kind = _type_name(info.annotation)
    if info.is_required():
        return f": {kind}, required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return f": {kind}"
    return f": {kind} = {value!r}" if value is not None else f": {kind}, unset by default"


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(repr(choice) for choice in get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        known = [_type_name(a) for a in get_args(annotation) if a is not type(None)]
        return " | ".join(dict.fromkeys(known))
    if get_origin(annotation) is tuple:
        return f"list of {_type_name(get_args(annotation)[0])}"
    return getattr(annotation, "__name__", repr(annotation))


def _required(found: type) -> list[str]:
    fields = found.model_fields if issubclass(found, BaseModel) else {}
    return [f"{field} = ..." for field, info in fields.items() if info.is_required()]


def _source(kind: str, name: str, found: type) -> str:
    """Return what the file of a component says of where it comes from."""
    own = registry.module_of(kind, name)
    doc = inspect.getdoc(own if own is not None else inspect.getmodule(found)) or ""
    return doc.partition("\n\n")[2].strip() if "http" in doc else ""
