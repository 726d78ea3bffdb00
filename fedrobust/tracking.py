"""Tell other programs how a run goes, and let none of them stop it."""

from collections.abc import Callable
from importlib.util import find_spec
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fedrobust.errors import ConfigError
from fedrobust.registry import suggestion
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.services import SERVICES, Service

if TYPE_CHECKING:
    from fedrobust.core.ledger import RoundLedger
    from fedrobust.simulate import Progress, Watch

__all__ = ["Tracker", "together", "tracker"]

logger = getLogger(__name__)


class Tracker:
    """Tells a service of one run: give it to `simulate` as `watch`, within its context.

    It tells of the rounds in which the model is evaluated.  If the service fails, a warning says
    so once, and the run goes on without it.
    """

    def __init__(self, service: Service, scenario: Scenario) -> None:
        self._service, self._scenario = service, scenario
        self._adversaries = scenario.adversaries
        self._run: str | None = None  # its id, while the service is told of it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._run is not None:
            self._tell(self._end, self._run)

    def __call__(self, reached: "Progress") -> None:
        """Take what the run has reached."""
        if reached.ledger is None:
            self._tell(self._begin)
        elif self._run is not None and reached.quality is not None:
            figures = reached.quality.figures() | {"seconds": reached.seconds}
            if reached.attack_success is not None:
                figures["attack_success"] = reached.attack_success
            figures |= self._excluded(reached.ledger)
            self._tell(self._service.log, reached.round, figures)

    def _tell(self, act: Callable[..., None], *what: object) -> None:
        try:
            act(*what)
        except Exception as error:
            self._run = None
            name = type(self._service).__name__
            logger.warning("%s does not follow the run any more: %s", name, error)

    def _begin(self) -> None:
        with Store(self._service.folder, create=False) as store:
            run = store.latest(self._scenario.digest())
        if run is not None:
            self._service.begin(run)
            self._run = run.id

    def _end(self, run: str) -> None:
        with Store(self._service.folder, create=False) as store:
            self._service.end(store.run(run))

    def _excluded(self, ledger: "RoundLedger") -> dict[str, float]:
        """Return how many clients were left out, as `results.detection` defines that."""
        if all(entry.weight is None for entry in ledger.entries):
            return {}
        active = (a for a in self._adversaries if a.is_active(ledger.number, self._scenario.seed))
        hostile = {client for adversary in active for client in adversary.clients}
        out = {
            entry.client
            for entry in ledger.entries
            if entry.weight == 0 or (entry.fault is not None and entry.fault.hostile)
        }
        return {"excluded_malicious": len(out & hostile), "excluded_honest": len(out - hostile)}


def tracker(name: str, scenario: Scenario, folder: Path) -> Tracker:
    """Return what tells a service of the runs of a scenario.

    Args:
        name: "mlflow" or "tensorboard".
        scenario: what is run.
        folder: where its results go.

    Raises:
        ConfigError: if there is no such service, or it is not installed.
    """
    if name not in SERVICES:
        known = sorted(SERVICES)
        hint = suggestion(name, known)
        raise ConfigError(f"Nothing tracks runs as {name!r}.{hint} Known: {', '.join(known)}.")
    if absent := [module for module in SERVICES[name].needs if find_spec(module) is None]:
        raise ConfigError(
            f"Tracking by {name} needs {' and '.join(absent)}, not installed here; type: "
            f"pip install 'fedrobust[{name}]'"
        )
    return Tracker(SERVICES[name](folder), scenario)


def together(*watches: "Watch") -> "Watch":
    """Return what calls each of several watches."""

    def all_of_them(reached: "Progress") -> None:
        for watch in watches:
            watch(reached)

    return all_of_them
