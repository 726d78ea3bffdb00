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
from tempfile import NamedTemporaryFile
from typing import get_args

from fedrobust.core.engine import TrainerName

__all__ = ["load", "path", "save"]


def path() -> Path:
    """Return where they are kept: below $FEDROBUST_CACHE, or the user's cache folder."""
    own = os.environ.get("FEDROBUST_CACHE")
    if own:
        return Path(own) / "trainers.json"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "fedrobust" / "trainers.json"


def load() -> dict[str, TrainerName]:
    """Return the trainer of each kind of work; empty if nothing sound is kept."""
    known = _all().get(_machine())
    sound = known.items() if isinstance(known, dict) else ()
    return {str(kind): name for kind, name in sound if name in get_args(TrainerName)}


def save(choices: Mapping[str, TrainerName]) -> None:
    """Keep choices, besides those that are kept already; do nothing if that is impossible."""
    kept = load()
    if choices.items() <= kept.items():
        return
    everything = {**_all(), _machine(): {**choices, **kept}}  # the first to choose is right
    with suppress(OSError):
        path().parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=path().parent, delete=False, encoding="utf-8") as file:
            json.dump(everything, file, indent=1, sort_keys=True)
        os.replace(file.name, path())


def _all() -> dict[str, object]:
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _machine() -> str:
    return f"{platform.node()} {platform.machine()} {platform.processor()}".strip()
