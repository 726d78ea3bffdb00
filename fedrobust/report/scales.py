"""In which unit and with how many digits the figures of one column or drawing are written."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10

from fedrobust.report.content import Figure

__all__ = ["ABSENT", "Scale", "half"]

ABSENT = "–"  # noqa: RUF001  # what stands where there is no figure
_DIGITS = 3  # significant, of the largest figure
_UNITS = {
    "share": [(0.01, "%")],
    "seconds": [(1.0, "s"), (1e-3, "ms")],
    "bytes": [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")],
    "number": [(1.0, "")],
}


@dataclass(frozen=True)
class Scale:
    """A unit, and how figures are written in it.

    Attributes:
        size: of the unit.
        name: of the unit; empty for plain numbers.
        decimals: how many every figure has.
    """

    size: float
    name: str
    decimals: int

    @classmethod
    def of(cls, unit: str, values: Iterable[float]) -> "Scale":
        """Return the scale on which the largest of some values has three digits.

        Shares are always percentages with one decimal, so that tables can be compared.

        Args:
            unit: of a measure: "share", "seconds", "bytes" or "number".
            values: what will be written.
        """
        largest = max((abs(value) for value in values if isfinite(value)), default=0.0)
        units = _UNITS[unit]
        size, name = next((u for u in units if largest >= u[0]), units[-1])
        if unit == "share":
            return cls(size, name, 1)
        whole = floor(log10(largest / size)) + 1 if largest else 1
        return cls(size, name, min(max(0, _DIGITS - whole), 9))

    def write(self, value: float) -> str:
        """Return a figure without its unit; with a minus sign, not a hyphen."""
        text = f"{value / self.size:.{self.decimals}f}"
        return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")  # noqa: RUF001

    def told(self, value: float) -> str:
        """Return a figure with its unit."""
        return f"{self.write(value)} {self.name}".rstrip()

    def of_unit(self) -> str:
        """Return " in %", or nothing of plain numbers: what follows a measure's title."""
        return f" in {self.name}" if self.name else ""


def half(figure: Figure) -> float | None:
    """Return how far the interval reaches on either side of the mean; None with one seed."""
    return None if figure.low is None or figure.high is None else (figure.high - figure.low) / 2
