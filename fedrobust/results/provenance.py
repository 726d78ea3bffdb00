"""What a result may depend on besides its scenario."""

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from logging import getLogger

import torch

from fedrobust.results.rows import RunRow

__all__ = ["machine", "versions", "warn_of_changes"]

logger = getLogger(__name__)


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    found = {"python": platform.python_version()}
    for name in ("fedrobust", "flwr", "torch", "numpy", "numba"):
        with suppress(PackageNotFoundError):  # numba is an extra
            found[name] = version(name)
    return found


def machine() -> dict[str, str | int]:
    """Return what computes, and on how many threads: sums differ in their last digits with it."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }


def warn_of_changes(run: RunRow) -> None:
    """Say so if a run that is resumed here may end elsewhere than without the interruption."""
    now, then = {**versions(), **machine()}, {**run.versions, **run.machine}
    changed = [
        f"{key} = {now[key]} (was {then.get(key)})" for key in now if now[key] != then.get(key)
    ]
    if changed:
        logger.warning(
            "Resumed with %s: the result may differ in its last digits.", ", ".join(changed)
        )
