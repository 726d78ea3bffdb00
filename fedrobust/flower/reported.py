"""What clients report of themselves, which nobody has to believe."""

from collections.abc import Mapping, Sequence
from statistics import median

from flwr.app import MetricRecord, RecordDict

__all__ = ["median_metrics"]

_HUGE = 1e300  # an integer beyond it would not fit a float


def median_metrics(contents: Sequence[RecordDict], weight: str) -> MetricRecord | None:
    """Return the median of each metric that most clients report."""
    reported: dict[str, list[float]] = {}
    for content in contents:
        for name, value in _numbers(content).items():
            reported.setdefault(name, []).append(value)
    reported.pop(weight, None)
    common = {name: values for name, values in reported.items() if 2 * len(values) > len(contents)}
    return MetricRecord({name: median(values) for name, values in common.items()}) or None


def _numbers(content: RecordDict) -> Mapping[str, float]:
    return {
        name: float(value)
        for record in content.values()
        if isinstance(record, MetricRecord)
        for name, value in record.items()
        if isinstance(value, int | float) and -_HUGE < value < _HUGE
    }
