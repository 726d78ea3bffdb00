"""What a report has to say about each threat, in words."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import mean

from fedrobust.doubts import ENOUGH
from fedrobust.report.content import Cell, Headline, Option, Ranking, Standing
from fedrobust.report.statistics import Verdict, best_of, figure, ranks

__all__ = ["headlines", "ranking"]

Scores = Mapping[int, Sequence[float]]  # of each option, one a seed


def ranking(
    setting: int,
    cells: Sequence[Cell],
    threats: Sequence[Option],
    defenses: Sequence[Option],
    noise: Mapping[int, float],
) -> Ranking:
    """Return how defenses stand over all attacks of a setting, best worst case first.

    Args:
        setting: which one.
        cells: of all settings.
        threats: what there is; ranks are over those that attack.
        defenses: what there is.
        noise: multiplier of the noise that defenses add for privacy, by setting's defense.
    """
    own = {(c.defense, c.threat): c for c in cells if c.setting == setting and c.state == "done"}
    attacks = [t for t, threat in enumerate(threats) if not threat.plain]
    clean = next((t for t, threat in enumerate(threats) if threat.plain), None)
    plain = next((d for d, defense in enumerate(defenses) if defense.plain), None)
    known = sorted({d for d, _ in own})
    whole = [d for d in known if attacks and all((d, t) in own for t in attacks)]
    found = ranks([{d: own[d, t].figures["score"].mean for d in whole} for t in attacks])
    standings = []
    for d in known:
        under = {t: own[d, t].figures["score"].each for t in attacks if (d, t) in own}
        complete = d in whole
        calm = own.get((d, clean)) if clean is not None else None
        standings.append(
            Standing(
                defense=d,
                rank=found.mean.get(d),
                clean=calm.figures["accuracy"] if calm else None,
                price=calm.figures.get("lost") if calm and d != plain else None,
                average=figure(_each(under, mean)) if complete else None,
                worst=figure(_each(under, min)) if complete else None,
                worst_threat=min(under, key=lambda t: mean(under[t])) if complete else None,
                noise=noise.get(d),
            )
        )
    standings.sort(key=lambda s: (-s.worst.mean if s.worst else 1.0, s.defense))
    return Ranking(setting, standings, len(attacks), found.critical, found.groups, found.p)


def _each(scores: Scores, over: Callable[[Iterable[float]], float]) -> list[float]:
    """Return the mean or the least of several scores, seed by seed."""
    return [over(values) for values in zip(*scores.values(), strict=True)]


def headlines(
    setting: int,
    cells: Sequence[Cell],
    threats: Sequence[Option],
    defenses: Sequence[Option],
    standings: Ranking,
) -> Iterator[Headline]:
    """Yield what there is to say: first the worst case over all attacks, then each threat.

    While runs are missing nothing is claimed: who is ahead so far may not stay there.
    """
    own = [cell for cell in cells if cell.setting == setting]
    attacked = [cell for cell in own if not threats[cell.threat].plain]
    worst = {s.defense: s.worst.each for s in standings.standings if s.worst is not None}
    if standings.attacks > 1 and worst:
        verdict = best_of(worst)
        lowest = _threat_of(standings, verdict.best)
        often = "" if lowest is None else f", most often under {threats[lowest].label}"
        best = defenses[verdict.best].label
        said = (
            f"The best worst case is that of {best}: {_percent(mean(worst[verdict.best]))}, the "
            f"lowest score over all attacks, seed by seed{often}."
        )
        yield _headline(setting, None, said, worst, verdict, defenses, _awaited(attacked))
    for t, threat in enumerate(threats):
        under = [cell for cell in own if cell.threat == t]
        scores = {c.defense: c.figures["score"].each for c in under if c.state == "done"}
        if scores:
            about = "While nobody attacks" if threat.plain else f"Under {threat.label}"
            verdict = best_of(scores)
            best, score = defenses[verdict.best].label, _percent(mean(scores[verdict.best]))
            said = f"{about}, {best} scores highest: {score}."
            yield _headline(setting, t, said, scores, verdict, defenses, _awaited(under))


def _awaited(cells: Iterable[Cell]) -> list[int]:
    """Return the defenses of which runs are missing."""
    return sorted({cell.defense for cell in cells if cell.state in ("partly", "missing")})


def _headline(
    setting: int,
    threat: int | None,
    said: str,
    scores: Scores,
    verdict: Verdict,
    defenses: Sequence[Option],
    awaited: Sequence[int],
) -> Headline:
    """Return which is best, by how much, and how sure that is."""
    if awaited:
        names = _listed([defenses[d].label for d in awaited])
        text = f"So far, without all runs of {names}: {said[0].lower()}{said[1:]}"
        return Headline(setting, threat, text, [verdict.best])
    text = said
    if verdict.ties:
        shown = [defenses[d].label for d in verdict.ties]
        worse = [defenses[d].label for d in scores if d not in (verdict.best, *verdict.ties)]
        text += f" It cannot be told from {_listed(shown)}{_others(worse)}."
    elif verdict.runner_up is not None:
        sure = {
            True: "more than chance explains",
            None: f"with fewer than {ENOUGH} seeds nobody can say whether by chance",
        }[verdict.sure]
        follows = defenses[verdict.runner_up].label
        text += f" {follows} follows, {_points(verdict.ahead)} behind: {sure}."
    plain = next((d for d in scores if defenses[d].plain), None)
    if plain is not None and plain != verdict.best:
        gap = mean(scores[verdict.best]) - mean(scores[plain])
        text += f" The undefended {defenses[plain].label} is {_points(gap)} behind."
    return Headline(setting, threat, text, [verdict.best, *verdict.ties])


def _threat_of(standings: Ranking, defense: int) -> int | None:
    found: list[Standing] = [s for s in standings.standings if s.defense == defense]
    return found[0].worst_threat if found else None


def _others(worse: Sequence[str]) -> str:
    if not worse:
        return ""
    who = f"{worse[0]} is" if len(worse) == 1 else f"the other {len(worse)} are"
    return f"; {who} worse, by more than chance"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(gap: float) -> str:
    shown = f"{100 * gap:.1f}"
    return f"{shown} point{'' if shown == '1.0' else 's'}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
