"""What a choice of hyperparameters rests on."""

from dataclasses import dataclass

__all__ = ["Trial", "Tuning"]


@dataclass(frozen=True)
class Trial:
    """How a combination fared on validation data with some values of tuned axes."""

    values: dict[str, str]  # tuned axis: label
    score: float | None  # mean over seeds of the lowest over threats; None: runs have not finished
    chosen: bool


@dataclass(frozen=True)
class Tuning:
    """What the choice for one combination rests on."""

    label: str
    values: dict[str, str]  # axis: label, along all axes that are neither tuned nor threats
    trials: list[Trial]
