"""Robust federated learning on Flower: simulate attackers, compare defenses, deploy."""

from pathlib import Path as _Path

__version__ = "0.1.0"

_here = _Path(__file__).resolve().parent
if not (_here / "strategies").is_dir() and (_here.parent / "strategies").is_dir():
    # A source checkout without symlinks: `strategies/` and `attacks/` lie beside this folder.
    __path__.append(str(_here.parent))
