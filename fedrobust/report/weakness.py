"""What makes the figures of a study say less: attacks that do no harm, runs that are too short."""

from collections.abc import Collection, Iterator, Sequence

from fedrobust.axes import some
from fedrobust.report.content import Band, Cell, Option
from fedrobust.report.statistics import harms

_LATE = 0.8  # the share of the rounds after which a model should have settled
_STILL = 0.02  # a change that is called one, unless seeds differ by more

__all__ = ["unsettled", "weak_attacks"]


def weak_attacks(
    cells: Sequence[Cell],
    defenses: Sequence[Option],
    threats: Sequence[Option],
    settings: Sequence[Option],
    harmful: Collection[int],
) -> Iterator[str]:
    """Yield which attacks do not harm the undefended beyond chance, in words.

    Nothing is said where the study has no undefended server, or never without attackers.

    Args:
        cells: of all settings.
        defenses: what there is.
        threats: what there is.
        settings: what there is.
        harmful: threats that mean to harm the model.
    """
    plain = next((d for d, defense in enumerate(defenses) if defense.plain), None)
    calm = next((t for t, threat in enumerate(threats) if threat.plain), None)
    if plain is None or calm is None:
        return
    known = {(c.threat, c.setting): c for c in cells if c.defense == plain and c.state == "done"}
    for (threat, setting), cell in known.items():
        if threat not in harmful or (calm, setting) not in known:
            continue
        before, after = known[calm, setting].figures["score"], cell.figures["score"]
        if harms(before.each, after.each) is False:
            where = f" ({settings[setting].label})" if len(settings) > 1 else ""
            yield (
                f"The threat {threats[threat].label}{where} does not harm the undefended beyond "
                f"chance: its score is {100 * after.mean:.1f} %, and {100 * before.mean:.1f} % "
                "while nobody attacks. What defenses score under it says little of them; make it "
                "stronger."
            )


def unsettled(
    cells: Sequence[Cell], defenses: Sequence[Option], threats: Sequence[Option]
) -> Iterator[str]:
    """Yield which cells were still changing in their last fifth of the rounds, in words."""
    moving = [
        f"{measure.replace('_', ' ')} of {defenses[cell.defense].label} under "
        f"{threats[cell.threat].label} by {100 * gap:+.1f} points"
        for cell in cells
        for measure, band in cell.curves.items()
        if cell.state == "done" and (gap := _late_change(band))
    ]
    if moving:
        yield (
            "Not settled after the last round, by what changed in the last fifth of them: "
            f"{some(moving)}. More rounds may change who is best."
        )


def _late_change(band: Band) -> float:
    """Return by how much a figure changed late; 0 if by no more than seeds differ."""
    late = [at for at, round in enumerate(band.rounds) if round >= _LATE * band.rounds[-1]]
    gap = band.mean[-1] - band.mean[late[0]]
    spread = max(band.high[-1] - band.low[-1], _STILL)
    return gap if abs(gap) > spread else 0.0
