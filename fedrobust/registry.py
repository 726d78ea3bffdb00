"""Find a component by its name in a scenario.

A name is found in one of three places, in this order:

1. ``centered_clipping``      a file of this repository: ``strategies/centered_clipping.py``
2. ``my_rule``                an entry point of an installed package, group ``fedrobust.<kind>``
3. ``my_package.rules:Rule``  any importable class
"""

import difflib
import pkgutil
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from fedrobust.core.component import snake_case
from fedrobust.errors import UnknownComponent

__all__ = ["KINDS", "builtin", "find", "module_of", "names", "suggestion"]

KINDS = {
    "strategies": "fedrobust.strategies",
    "attacks": "fedrobust.attacks",
    "faults": "fedrobust.faults",
    "data": "fedrobust.data",
    "partitions": "fedrobust.data.partition",
    "models": "fedrobust.models",
}
_NOT_COMPONENTS = {"partition"}


def find(kind: str, name: str) -> type:
    """Return the class called `name`.

    Args:
        kind: one of `KINDS`.
        name: as in a scenario.

    Raises:
        UnknownComponent: if nothing has that name; it suggests what was meant.
    """
    if ":" in name:
        return _load(kind, name)
    if name in builtin(kind):
        return _builtin_class(kind, name)
    for plugin in entry_points(group=f"fedrobust.{kind}", name=name):
        return _checked(plugin.load(), name)
    near = suggestion(name, names(kind)) or f" Known: {', '.join(names(kind))}."
    raise UnknownComponent(f"No {name!r} in {kind}.{near}")


def names(kind: str) -> list[str]:
    """Return the names of all components of a kind, ours and those of installed packages."""
    plugins = {plugin.name for plugin in entry_points(group=f"fedrobust.{kind}")}
    return sorted({*builtin(kind), *plugins})


def builtin(kind: str) -> list[str]:
    """Return the names of our own components of a kind."""
    module = import_module(KINDS[kind])
    if not hasattr(module, "__path__"):
        return sorted(snake_case(name) for name in module.__all__)
    found = (m.name for m in pkgutil.iter_modules(module.__path__))
    return sorted(n for n in found if n not in _NOT_COMPONENTS and not n.startswith("_"))


def suggestion(name: str, known: list[str]) -> str:
    """Return `` Did you mean 'krum'?`` or nothing.

    >>> suggestion("kurm", ["krum", "mean"])
    " Did you mean 'krum'?"
    """
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def module_of(kind: str, name: str) -> ModuleType | None:
    """Return the file of this repository that holds a component; None if it is someone else's."""
    if ":" in name or name not in builtin(kind):
        return None
    module = import_module(KINDS[kind])
    return import_module(f"{KINDS[kind]}.{name}") if hasattr(module, "__path__") else module


def _builtin_class(kind: str, name: str) -> type:
    module = module_of(kind, name)
    public: list[str] = list(getattr(module, "__all__", ()))
    if len(public) > 1:  # a module of several components, not a file of one
        public = [one for one in public if snake_case(one) == name]
    if len(public) != 1:
        where = getattr(module, "__file__", name)
        raise UnknownComponent(
            f"{where} needs one public class, named in its __all__, as in "
            f'__all__ = ["{name.title().replace("_", "")}"], not {public or "none"}.'
        )
    return _checked(getattr(module, public[0]), name)


def _load(kind: str, reference: str) -> type:
    module, _, attribute = reference.partition(":")
    try:
        return _checked(getattr(import_module(module), attribute), reference)
    except (ImportError, AttributeError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise UnknownComponent(
            f"No {reference!r} for {kind}: {reason}. Write it as package.module:Class, and install "
            "the package or run where it lies."
        ) from error


def _checked(found: object, name: str) -> type:
    if not isinstance(found, type):
        raise UnknownComponent(f"{name!r} is a {type(found).__name__}, not a class.")
    return found
