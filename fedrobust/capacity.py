"""Whether a run fits into this machine's memory, asked before it starts."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fedrobust.core.footprint import Footprint, footprint
from fedrobust.core.world import World
from fedrobust.errors import ConfigError

__all__ = ["available", "checked", "keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # options of mallopt(3)
_GROUP = Path("/sys/fs/cgroup")  # where Linux says what a container may use
_MEMINFO = Path("/proc/meminfo")


def checked(world: World, sampled: int) -> Footprint:
    """Return what a run takes of which each round has `sampled` clients.

    Raises:
        ConfigError: if that is more than there is.
    """
    needed, free = footprint(world, sampled), available()
    if free is not None and needed.ahead > free:
        raise ConfigError(
            f"A run of this scenario needs about {_gb(needed.ahead)} of memory, and "
            f"{_gb(free)} are free: {_gb(needed.updates)} for the updates of {sampled} clients "
            f"with {world.task.layout.size:,} parameters each, {_gb(needed.clients)} for what "
            f"clients remember, {_gb(needed.training)} to train them. "
            f"{_advice(world, sampled, free)}"
        )
    return needed


def available() -> int | None:
    """Return how many bytes are free for this process; None where that is not known."""
    return min(_limits(), default=None)


def keep_freed_memory() -> None:
    """Let this process keep the large blocks it frees, for the next round needs them again.

    The C library gives blocks of megabytes back to the system at once, and the system hands out
    new ones page by page, which can take longer than what is computed in them.  Elsewhere than
    with glibc, this does nothing.
    """
    with suppress(OSError, AttributeError):
        if platform.libc_ver()[0] == "glibc":
            library = ctypes.CDLL(None)
            library.mallopt(_MMAP_MAX, 0)
            library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def _limits() -> Iterator[int]:
    with suppress(OSError, ValueError):
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        yield int(lines["MemAvailable"].split()[0]) * 1024
    with suppress(OSError, ValueError, KeyError):  # "max", where there is no limit, is no number
        most, used = (int((_GROUP / f"memory.{what}").read_text()) for what in ("max", "current"))
        kept = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
        yield most - used + int(kept["inactive_file"])  # files read before, given up on demand


def _advice(world: World, sampled: int, free: int) -> str:
    """Say what to change, so that it fits."""
    fits = [n for n in range(1, sampled) if footprint(world, n).ahead <= free]
    if fits:
        return f"Sample at most {fits[-1]} clients a round (sample), or take a smaller model."
    alone = footprint(world, 1)
    if max(alone.training, alone.updates) > alone.clients:
        return "Take a smaller model or batch size: not even one client a round would fit."
    return "Take fewer clients, or a strategy whose clients remember less."


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
