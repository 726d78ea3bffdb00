"""The tables of a report: who is best, every measure, costs, and what changed."""

from collections.abc import Callable, Iterator
from statistics import mean, median

from fedrobust.report.content import Content, Figure, Standing
from fedrobust.report.grids import grids
from fedrobust.report.scales import ABSENT, Scale
from fedrobust.report.table import Entry, Table, column, named, spread_note, titled
from fedrobust.report.tuning_table import tuning

__all__ = ["changes", "costs", "ranking", "seconds_by_phase", "tables"]


def tables(content: Content) -> Iterator[Table]:
    """Yield every table that a report has, setting by setting."""
    for setting in range(len(content.settings)):
        yield from ranking(content, setting)
        yield from grids(content, setting)
        yield from costs(content, setting)
    yield from tuning(content)
    yield from changes(content)


def ranking(content: Content, setting: int) -> Iterator[Table]:
    """Yield how defenses stand over all attacks of a setting; nothing where it has no ranking."""
    found = next((r for r in content.rankings if r.setting == setting and r.standings), None)
    if found is None:
        return
    scale = Scale.of("share", ())
    shown: list[Figure | None] = []

    def figures(better: str, of: Callable[[Standing], Figure | None]) -> list[Entry]:
        own = [of(standing) for standing in found.standings]
        shown.extend(own)
        return column(own, scale, better)

    def texts(of: Callable[[Standing], str]) -> list[Entry]:
        return [Entry(of(standing)) for standing in found.standings]

    columns = {
        "Defense": texts(lambda s: content.defenses[s.defense].label),
        "Worst case": figures("higher", lambda s: s.worst),
        "under": texts(lambda s: _label(content, s.worst_threat)),
        "Average": figures("higher", lambda s: s.average),
        "Nobody attacks": figures("higher", lambda s: s.clean),
        "Price": figures("lower", lambda s: s.price),
        "Mean rank": texts(lambda s: ABSENT if s.rank is None else f"{s.rank:.2f}"),
    }
    notes = ["Price: accuracy lost to that of the undefended, while nobody attacks."]
    if found.critical is not None:
        notes.append(
            f"Mean ranks are over {found.attacks} attacks; two that are closer than "
            f"{found.critical:.2f} do not differ beyond chance (Nemenyi, 5 %)."
        )
    if found.p is not None:
        notes.append(f"Friedman's test that all ranks are equal: p = {found.p:.2g}.")
    yield Table(
        name=named(content, "ranking", setting),
        title=titled(content, f"Ranking{scale.of_unit()}", setting),
        caption="Over all attacks; the best worst case comes first.",
        header=list(columns),
        align="lrlrrrr",
        rows=[list(row) for row in zip(*columns.values(), strict=True)],
        notes=[*notes, *spread_note(shown)],
    )


def costs(content: Content, setting: int) -> Iterator[Table]:
    """Yield what a round of each defense takes; nothing where nobody measured it."""
    times = seconds_by_phase(content, setting)
    if not times:
        return
    phases = sorted({phase for own in times.values() for phase in own})
    seconds = Scale.of("seconds", (sum(own.values()) for own in times.values()))
    sent = {d: _bytes(content, d, setting) for d in times}
    traffic = Scale.of("bytes", (each for each in sent.values() if each is not None))
    rows = [
        [
            Entry(content.defenses[d].label),
            *(Entry(seconds.write(own.get(phase, 0.0))) for phase in phases),
            Entry(seconds.write(sum(own.values()))),
            Entry(ABSENT if (each := sent[d]) is None else traffic.write(each)),
        ]
        for d, own in times.items()
    ]
    yield Table(
        name=named(content, "costs", setting),
        title=titled(content, f"Time of a round{seconds.of_unit()}, and its traffic", setting),
        caption="Medians over rounds and runs, on one thread, all clients together, while other "
        "runs shared the machine: a rough guide. Mean over threats.",
        header=["Defense", *phases, "total", f"{traffic.name} sent and received"],
        align="l" + "r" * (len(phases) + 2),
        rows=rows,
        notes=[],
    )


def seconds_by_phase(content: Content, setting: int) -> dict[int, dict[str, float]]:
    """Return of each defense how many seconds of a round each phase takes, over threats."""
    found: dict[int, list[dict[str, float]]] = {}
    for cell, times in zip(content.cells, content.times, strict=True):
        if cell.setting == setting and times:
            found.setdefault(cell.defense, []).append(times)
    return {
        d: {
            phase: median(times.get(phase, 0.0) for times in found[d])
            for phase in sorted({phase for times in found[d] for phase in times})
        }
        for d in sorted(found)
    }


def _bytes(content: Content, defense: int, setting: int) -> float | None:
    found = [
        cell.figures["bytes"].mean
        for cell in content.cells
        if (cell.defense, cell.setting) == (defense, setting) and "bytes" in cell.figures
    ]
    return mean(found) if found else None


def changes(content: Content) -> Iterator[Table]:
    """Yield what differs from another report beyond noise; nothing if there is no other."""
    if content.changes is None:
        return
    measures = {measure.key: measure for measure in content.measures}
    rows = []
    for change in content.changes:
        if not change.beyond_noise:
            continue
        measure = measures[change.measure]
        scale = Scale.of(measure.unit, (change.before, change.after))
        bounds = (change.low, change.high)
        between = " to ".join(scale.write(bound) for bound in bounds if bound is not None)
        rows.append(
            [
                Entry(content.defenses[change.defense].label),
                Entry(content.threats[change.threat].label),
                Entry(content.settings[change.setting].label),
                Entry(measure.title + scale.of_unit()),
                Entry(scale.write(change.before)),
                Entry(scale.write(change.after)),
                Entry(scale.write(change.after - change.before)),
                Entry(between or ABSENT),
            ]
        )
    others = len(content.changes) - len(rows)
    yield Table(
        name="changes",
        title=f"What changed since {content.against}",
        caption="Figures that differ by more than noise explains.",
        header=[
            "Defense", "Threat", "Setting", "Measure", "Before", "After", "Difference", "between"
        ],
        align="llllrrrr",
        rows=rows,
        notes=[f"Figures that differ by no more: {others}."],
    )  # fmt: skip


def _label(content: Content, threat: int | None) -> str:
    return ABSENT if threat is None else content.threats[threat].label
