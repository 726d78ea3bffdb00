"""From the results in a folder to what a report says of them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, median
from typing import Any

from fedrobust.axes import some
from fedrobust.doubts import doubts, few_seeds
from fedrobust.report import readings
from fedrobust.report.content import Axis, Band, Cell, Content, Figure, Run
from fedrobust.report.headlines import headlines, ranking
from fedrobust.report.measures import figures_of, told
from fedrobust.report.method import method
from fedrobust.report.options import means_harm, options, place
from fedrobust.report.planned import Plan, Planned, planned
from fedrobust.report.statistics import figure
from fedrobust.report.weakness import unsettled, weak_attacks
from fedrobust.results.collaboration import collaboration
from fedrobust.results.detection import judged
from fedrobust.results.store import Store

__all__ = ["content_of"]

_CURVES = ("accuracy", "attack_success")
_BYTES = 600_000  # of the five kinds of data of runs together, so that the page stays small
_CURVE_POINT = 42  # bytes of a round in the curves of a cell, about
_CLIENT = 40  # bytes of a client in a cell, about
_STANDING = 14  # bytes of a client's reputation and quota in a round, about
_ROC_POINT = 14  # bytes of one in a cell, about


def content_of(folder: Path) -> Content:
    """Return what there is to report of the runs in a folder.

    Args:
        folder: where `fedrobust compare` or `fedrobust simulate` left results.

    Raises:
        ConfigError: if it holds no finished run, and no study.
        ResultsError: if it holds no results, or those of another version.
    """
    with Store(folder, create=False) as store:
        return _Gathering(planned(folder, store), store).content(folder.resolve().name)


class _Gathering:
    """One pass over the results of a plan."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self.defenses, self.threats = options(plan, "defense"), options(plan, "threat")
        self.settings = options(plan, "setting")
        self.groups: dict[tuple[int, int, int], list[Planned]] = {}
        for run in plan.runs:
            key = (
                place(self.defenses, run), place(self.threats, run), place(self.settings, run)
            )  # fmt: skip
            self.groups.setdefault(key, []).append(run)
        self.seeds = len({run.seed for run in plan.runs})
        self.budget = _BYTES // (5 * max(1, len(self.groups)))  # of each of the five in a cell
        self.figures = self._figures()

    def content(self, folder: str) -> Content:
        """Return everything."""
        cells = [self._cell(key, runs) for key, runs in sorted(self.groups.items())]
        every = range(len(self.settings))
        rankings = [ranking(s, cells, self.threats, self.defenses, self._noise(s)) for s in every]
        said = [
            headline
            for s in every
            for headline in headlines(s, cells, self.threats, self.defenses, rankings[s])
        ]
        hashes = sorted(run.model_hash for cell in cells for run in cell.runs)
        study = self.plan.study
        return Content(
            name=self.plan.name or folder,
            axes=[
                Axis(key, role, list(dict.fromkeys(run.labels[key] for run in self.plan.runs)))
                for key, role in self.plan.axes.items()
            ],
            defenses=self.defenses,
            threats=self.threats,
            settings=self.settings,
            measures=told(key for cell in cells for key in cell.figures),
            cells=cells,
            headlines=said,
            rankings=rankings,
            splits=self._splits(),
            method=method(self.plan, self.seeds),
            tuning=self.plan.tuning,
            warnings=[
                *self.plan.edges,
                *self._missing(cells),
                *(doubts(study, study.cells()) if study else few_seeds(self.seeds)),
                *weak_attacks(cells, self.defenses, self.threats, self.settings, self._harmful()),
                *unsettled(cells, self.defenses, self.threats),
            ],
            results_hash=hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
            times=[self._times(self.groups[c.defense, c.threat, c.setting]) for c in cells],
        )

    def _missing(self, cells: Sequence[Cell]) -> Iterator[str]:
        """Yield how much there is not yet."""
        known = [cell for cell in cells if cell.state in ("partly", "missing")]
        if known:
            which = [
                f"{self.defenses[cell.defense].label} under {self.threats[cell.threat].label}: "
                f"{cell.why}"
                for cell in known
            ]
            yield f"{len(known)} of {len(cells)} cells are not complete: {some(which)}."

    def _figures(self) -> dict[str, dict[str, float]]:
        """Return the figures of every finished run, by its id."""
        found = {}
        for run in self.plan.runs:
            if run.run is not None:
                summary: dict[str, Any] = dict(run.run.summary or {})
                summary |= readings.traffic(self.store, run.run.id)
                if summary.get("collaboration") and run.scenario is not None:
                    # again: when it was summarised, the clients alone may not have run yet
                    found_now = collaboration(self.store, run.run.id, run.scenario)
                    summary["collaboration"] = asdict(found_now) if found_now else None
                found[run.run.id] = figures_of(summary)
        for setting in range(len(self.settings)):
            best = self._reference(setting, found)
            for (_, _, at), runs in self.groups.items():
                for run in runs if at == setting else ():
                    if run.run is not None and run.seed in best:
                        own = found[run.run.id]
                        if "accuracy" in own:
                            own["lost"] = best[run.seed] - own["accuracy"]
        return found

    def _reference(
        self, setting: int, figures: Mapping[str, Mapping[str, float]]
    ) -> dict[int, float]:
        """Return the accuracy to which others of a setting are compared, by seed."""
        calm: dict[int, dict[int, float]] = {}
        for (d, t, s), runs in self.groups.items():
            if s == setting and self.threats[t].plain:
                rates = {r.seed: figures[r.run.id].get("accuracy") for r in runs if r.run}
                calm[d] = {seed: rate for seed, rate in rates.items() if rate is not None}
        undefended = [d for d in calm if self.defenses[d].plain]
        known = [d for d in undefended or calm if len(calm[d]) == self.seeds]
        best = max(known, key=lambda d: mean(calm[d].values()), default=None)
        return {} if best is None else calm[best]

    def _cell(self, key: tuple[int, int, int], runs: Sequence[Planned]) -> Cell:
        done = [run for run in runs if run.run is not None]
        undefined = next((run.why_not for run in runs if run.scenario is None), "")
        state = "undefined" if undefined else "partly" if done else "missing"
        seeds = ", ".join(str(run.seed) for run in done)
        why = undefined or (
            f"{len(done)} of {self.seeds} seeds have finished ({seeds})" if done else "not run yet"
        )
        if not undefined and len(done) == self.seeds:
            state, why = "done", ""
        ids = [run.run.id for run in done if run.run]
        return Cell(
            *key,
            state=state,  # type: ignore[arg-type]
            why=why,
            runs=[Run(r.run.id, r.seed, r.run.model_hash or "") for r in done if r.run],
            figures=self._means(ids),
            curves=self._curves(ids),
            scenario=(done or runs)[0].text,
            **self._first(done[0]) if done else {"clients": None, "timeline": None},
        )

    def _means(self, ids: Sequence[str]) -> dict[str, Figure]:
        keys = dict.fromkeys(key for id in ids for key in self.figures[id])
        return {
            key: figure(values)
            for key in keys
            if (values := [self.figures[id][key] for id in ids if key in self.figures[id]])
        }

    def _curves(self, ids: Sequence[str]) -> dict[str, Band]:
        points = min(60, max(8, self.budget // _CURVE_POINT))
        found = {c: readings.curve(self.store, ids, c, points) for c in _CURVES}
        return {column: band for column, band in found.items() if band is not None}

    def _first(self, run: Planned) -> dict[str, Any]:
        """Return what is told of a cell's first run only."""
        assert run.run is not None and run.scenario is not None
        scenario, rule = run.scenario, run.scenario.rule.rule
        rows = judged(self.store, run.run.id, trust=rule.scores_trust)
        most = max(30, self.budget // _CLIENT)
        bins = min(60, max(10, self.budget // min(scenario.clients, readings.MOST_CLIENTS)))
        points = self.budget // (_STANDING * min(scenario.clients, readings.MOST_LINES))
        return {
            "clients": readings.clients(self.store, run.run.id, scenario, rows, most),
            "timeline": readings.timeline(rows, scenario.rounds, bins),
            "reputations": readings.reputations(rows, scenario.rounds, min(60, max(10, points)))
            if rule.keeps_reputations
            else None,
            "roc": readings.detection(rows, min(60, max(12, self.budget // _ROC_POINT))),
        }

    def _times(self, runs: Sequence[Planned]) -> dict[str, float]:
        found = [readings.phases(self.store, run.run.id) for run in runs if run.run]
        keys = sorted({phase for one in found for phase in one})
        return {key: median(one.get(key, 0.0) for one in found) for key in keys}

    def _splits(self) -> list[Any]:
        found = []
        for setting in range(len(self.settings)):
            own = [r for (_, _, s), runs in self.groups.items() if s == setting for r in runs]
            first = next((run for run in own if run.run is not None), None)
            if first is not None and first.run is not None:
                found.append(readings.split(self.store, first.run.id, setting, first.seed))
        return [split for split in found if split is not None]

    def _harmful(self) -> set[int]:
        return {
            t
            for (_, t, _), runs in self.groups.items()
            for run in runs
            if run.scenario is not None and means_harm(run.scenario)
        }

    def _noise(self, setting: int) -> dict[int, float]:
        """Return the noise that defenses add for privacy."""
        found = {}
        for (d, _, s), runs in self.groups.items():
            for run in runs if s == setting else ():
                for part in run.scenario.strategy if run.scenario else ():
                    amount = getattr(part, "noise_multiplier", None)
                    if amount is not None:
                        found[d] = float(amount)
        return found
