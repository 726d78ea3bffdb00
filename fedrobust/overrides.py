"""Tables of TOML, and lines of TOML that change them."""

import re
import tomllib
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from fedrobust.errors import ConfigError

__all__ = ["assign", "merged", "parsed"]

_BARE_WORD = re.compile(r"\s*([\w.-]+)\s*=\s*([A-Za-z_./~][\w.:/~-]*)\s*")


def parsed(text: str) -> dict[str, Any]:
    """Return the tables of a TOML document; ConfigError if it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"Not TOML: {error}.") from error


def merged(table: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a table changed by lines of TOML.

    A number in a key counts the entries of a list from zero.  Quotes around a plain word may be
    left out, because shells eat them.

    >>> merged({"adversary": [{"share": 0.1}]}, ["adversary.0.share = 0.3", "data = digits"])
    {'adversary': [{'share': 0.3}], 'data': 'digits'}

    Raises:
        ConfigError: if an override is no line of TOML or points past the end of a list.
    """
    table = deepcopy(table)
    for line in overrides:
        _merge(table, _parsed_line(line), "")
    return table


def assign(table: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a dotted key of nested tables, as a line of TOML would.

    >>> table = {"training": {"lr": 0.1}}
    >>> assign(table, "training.lr", 0.5)
    >>> table
    {'training': {'lr': 0.5}}

    Raises:
        ConfigError: if the key points past the end of a list.
    """
    for part in reversed(key.split(".")):
        value = {part: deepcopy(value)}
    _merge(table, value, "")


def _parsed_line(line: str) -> dict[str, Any]:
    try:
        return tomllib.loads(line)
    except tomllib.TOMLDecodeError as error:
        if word := _BARE_WORD.fullmatch(line):
            return tomllib.loads(f'{word[1]} = "{word[2]}"')
        raise ConfigError(
            f"Not a line of TOML: {line!r} ({error}). Write it like seed=7 or "
            "'strategy=[{name=\"krum\"}]'."
        ) from error


def _merge(into: Any, extra: dict[str, Any], path: str) -> None:
    for key, value in extra.items():
        place: Any = key
        if isinstance(into, list):
            if not key.isdecimal() or int(key) >= len(into):
                raise ConfigError(
                    f"{path}{key}: {path.rstrip('.')} has {len(into)} entries, counted from 0."
                )
            place = int(key)
        old = into[place] if isinstance(into, list) else into.get(place)
        if isinstance(old, str) and isinstance(value, dict) and "name" not in value:
            old = into[place] = {"name": old}  # `data = "digits"` gains a field
        if isinstance(old, dict | list) and isinstance(value, dict) and "name" not in value:
            _merge(old, value, f"{path}{key}.")
        else:
            into[place] = value
