"""Let things go wrong by themselves: clients drop out, replies come late, changed or twice."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from logging import getLogger
from math import isfinite
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

from fedrobust.core import seeds
from fedrobust.core.mishap import Mishap, Transit
from fedrobust.core.seeds import Purpose
from fedrobust.flower import touchpoints
from fedrobust.flower.exchange import CohortReplies
from fedrobust.flower.intercepting import InterceptingGrid
from fedrobust.flower.traffic import Traffic

__all__ = ["FaultGrid"]

logger = getLogger(__name__)


class FaultGrid(InterceptingGrid):
    """A grid on which faults befall the replies of clients, honest and hostile ones.

    A reply that is lost becomes the error reply of a client that says what happened to it.  What
    another fault lets through is all that the next one sees.

    Args:
        grid: what carries the messages; adversaries stand behind it, and cannot see faults.
        faults: what goes wrong, in this order.
        seed: of the run.
    """

    def __init__(self, grid: Grid, faults: Iterable[Mishap], seed: int = 0) -> None:
        super().__init__(grid)
        self._faults = tuple(faults)
        places = range(len(self._faults))
        self._seeds = [seeds.entropy(seed, Purpose.FAULT, client=place) for place in places]
        self.state: dict[str, Any] = {}  # what faults remember, by their place
        self.seconds: float | None = None  # simulated, of the last round; None if none takes time
        self.notes: dict[int, str] = {}  # client: what befell a reply that arrived in that round
        self._round = 0

    def intercept(
        self, sent: Sequence[Message], replies: Sequence[Message], round: int
    ) -> Sequence[Message]:
        if round != self._round:
            self._round, self.seconds, self.notes = round, None, {}
        if not self._faults:
            return replies
        self._roster.update(self._grid)
        traffic = Traffic.of(sent, replies, self._roster)
        if traffic is None:
            logger.warning("Faults befall nobody: the messages do not hold one model.")
            return replies
        copies, reasons, seconds = self._befall(traffic, round)
        missing = len(replies) < len(sent) or not all(copies.values())
        self._wait(missing, [took for client, took in seconds.items() if copies[client]])
        self.notes |= {client: why for client, why in reasons.items() if copies[client]}
        rows = dict(zip(traffic.clients, traffic.rows, strict=True))
        lost = {rows[client]: reasons[client] for client, count in copies.items() if not count}
        extra = {rows[client]: count for client, count in copies.items() if count > 1}
        if isinstance(replies, CohortReplies) and replies.untouched and not extra:
            replies.lost |= lost
            return replies
        return _delivered(sent, replies, lost, extra) if lost or extra else replies

    def _befall(
        self, traffic: Traffic, round: int
    ) -> tuple[dict[int, int], dict[int, str], dict[int, float]]:
        """Return how many replies of each client arrive, what befell them, and how long it took."""
        places = {client: place for place, client in enumerate(traffic.clients)}
        rows = traffic.updates.unbind()  # which see what is written to the matrix
        copies, seconds = dict.fromkeys(places, 1), dict.fromkeys(places, 0.0)
        reasons: dict[int, list[str]] = defaultdict(list)
        for index, fault in enumerate(self._faults):
            updates = {client: rows[place] for client, place in places.items() if copies[client]}
            state = self.state[str(index)] if str(index) in self.state else fault.init()
            out = fault.befall(Transit(round, updates, self._seeds[index]), state)
            self.state[str(index)] = out.state
            for client, fate in out.fates.items():
                copies[client] *= fate.copies
                reasons[client].append(fate.reason)
                if fate.update is not None:
                    traffic.replace(places[client], fate.update)
            for client, took in out.seconds.items():
                seconds[client] = max(seconds[client], took)
        told = {client: f"{'; '.join(why)} (simulated)" for client, why in reasons.items()}
        return copies, told, seconds

    def _wait(self, missing: bool, seconds: Sequence[float]) -> None:
        """Let simulated time pass: till the last reply is there, or till the server gives up."""
        patience = [one for fault in self._faults if (one := fault.patience) is not None]
        if patience:
            gives_up = missing and isfinite(min(patience))
            took = min(patience) if gives_up else max(seconds, default=0.0)
            self.seconds = max(took, self.seconds or 0.0)


def _delivered(
    sent: Sequence[Message],
    replies: Sequence[Message],
    lost: Mapping[int, str],
    extra: Mapping[int, int],
) -> list[Message]:
    """Return the replies that arrive, some more than once, and errors in place of those lost."""
    asked = {message.metadata.dst_node_id: message for message in sent} if lost else {}
    delivered: list[Message] = []
    for row, reply in enumerate(replies):
        if row in lost:
            error = touchpoints.error_reply(asked[reply.metadata.src_node_id], lost[row])
            touchpoints.name_message(error, reply.metadata.message_id)
            delivered.append(error)
        else:
            delivered += [reply] * extra.get(row, 1)
    return delivered
