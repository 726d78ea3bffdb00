"""The table of validation scores that choices of hyperparameters rest on."""

from collections.abc import Iterator, Mapping

from fedrobust.report.content import Content
from fedrobust.report.scales import ABSENT, Scale
from fedrobust.report.table import Entry, Table
from fedrobust.report.trials import Trial

__all__ = ["tuning"]


def tuning(content: Content) -> Iterator[Table]:
    """Yield each combination's scores by the values that were tried; nothing without tuning."""
    if not content.tuning:
        return
    headings = dict.fromkeys(_called(t.values) for one in content.tuning for t in one.trials)
    scale = Scale.of("share", ())
    rows = []
    for one in content.tuning:
        tried = {_called(trial.values): trial for trial in one.trials}
        rows.append([Entry(one.label), *(_entry(tried.get(name), scale) for name in headings)])
    unfinished = any(entry.note for row in rows for entry in row)
    yield Table(
        name="tuning",
        title=f"Tuning: validation scores{scale.of_unit()}",
        caption="The lowest score over all threats on validation data, on average over seeds.",
        header=["Chosen for", *headings],
        align="l" + "r" * len(headings),
        rows=rows,
        notes=["a: Runs have not finished."] if unfinished else [],
        best="chosen",
    )


def _called(values: Mapping[str, str]) -> str:
    return ", ".join(f"{axis.rsplit('.', 1)[-1]} {label}" for axis, label in values.items())


def _entry(trial: Trial | None, scale: Scale) -> Entry:
    if trial is None:
        return Entry(ABSENT)
    known = trial.score is not None
    text = scale.write(trial.score) if trial.score is not None else ABSENT
    return Entry(text, mark="best" if trial.chosen else "", note="" if known else "a")
