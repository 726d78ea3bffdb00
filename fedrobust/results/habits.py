"""Which ways of training were the fastest on this machine, remembered between runs.

So a scenario that runs twice here gives the same model, bit for bit, although the fastest of two
equals may change with the weather.
"""

import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import get_args

from fedrobust.core.engine import TrainerName

__all__ = ["load", "path", "save"]


_saved: dict[Path, dict[str, TrainerName]] = {}  # by this process, and where


def path() -> Path:
    """Return where they are kept: below $FEDROBUST_CACHE, or the user's cache folder."""
    own = os.environ.get("FEDROBUST_CACHE")
    if own:
        return Path(own) / "trainers.json"
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache or "~/.cache").expanduser() / "fedrobust" / "trainers.json"


def load() -> dict[str, TrainerName]:
    """Return the trainer of each kind of work; empty if nothing sound is kept."""
    known = _all().get(_machine())
    sound = known.items() if isinstance(known, dict) else ()
    return {str(kind): name for kind, name in sound if name in get_args(TrainerName)}


def save(choices: Mapping[str, TrainerName]) -> None:
    """Keep choices, besides those that are kept already; do nothing if that is impossible."""
    with suppress(OSError, RuntimeError):  # no home, no room, no right: then not
        if _saved.get(path()) == dict(choices):  # so it may be called in every round
            return
        _saved[path()] = dict(choices)
        kept = load()
        if not choices.items() <= kept.items():
            _write({**_all(), _machine(): {**kept, **choices}})


def _write(everything: Mapping[str, object]) -> None:
    path().parent.mkdir(parents=True, exist_ok=True)
    part = path().with_suffix(f".{os.getpid()}.part")
    try:
        part.write_text(json.dumps(everything, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(part, path())
    finally:
        part.unlink(missing_ok=True)


def _all() -> dict[str, object]:
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}


def _machine() -> str:
    return f"{platform.node()} {platform.machine()} {platform.processor()}".strip()
