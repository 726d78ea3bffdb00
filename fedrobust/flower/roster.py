"""Who is who: the authenticated nodes of a grid, and which client each of them is."""

from logging import getLogger
from time import perf_counter, sleep

from flwr.app import Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid

__all__ = ["IDENTIFY", "PARTITION", "Roster", "wait_for"]

IDENTIFY = "identify"
PARTITION = "partition-id"
logger = getLogger(__name__)
_POLL = 0.2  # seconds between looks at who has connected
_PATIENCE = 600.0  # seconds to wait for nodes to answer: for their first message, engines start up


class Roster:
    """Gives each node of a grid one client id, once, and never again.

    A client is whom its node authenticates it as.  A node is asked one time which partition it
    holds, before it has seen a model; if it does not say, or says what another node has said, it
    gets the next free id.  What later replies claim about themselves is not read.
    """

    def __init__(self) -> None:
        self.clients: dict[int, int] = {}  # node id: client id, never taken back
        self._last: tuple[list[int], dict[int, int]] = [], {}  # who was there, by node and client

    def update(self, grid: Grid) -> None:
        """Learn about nodes that have joined."""
        known = getattr(grid, "clients", None)
        if known is not None:  # a grid in this process made its nodes itself
            if len(known) != len(self.clients):  # ids are never taken back
                self.clients, self._last = dict(known), ([], {})
            return
        new = sorted(set(grid.get_node_ids()) - self.clients.keys())
        if new:
            self._last = [], {}
            claims = self._claims(grid, new)
            for node in sorted(new, key=lambda n: (n not in claims, n)):
                self.clients[node] = self._free(claims.get(node))

    def client_of(self, node: int) -> int | None:
        """Return the client that is a node; None for a node that is not known."""
        return self.clients.get(node)

    def online(self, grid: Grid) -> dict[int, int]:
        """Return the node of each client that is there now, in the order of client ids."""
        nodes = list(grid.get_node_ids())
        if nodes != self._last[0]:  # of ten thousand nodes, most stay from round to round
            there = sorted((self.clients[n], n) for n in nodes if n in self.clients)
            self._last = nodes, dict(there)
        return self._last[1]

    def __len__(self) -> int:
        return len(self.clients)

    def _claims(self, grid: Grid, nodes: list[int]) -> dict[int, int]:
        asked = [Message(RecordDict(), n, f"{MessageType.QUERY}.{IDENTIFY}") for n in nodes]
        claims: dict[int, int] = {}
        for reply in grid.send_and_receive(asked, timeout=_PATIENCE):
            node = reply.metadata.src_node_id
            record = None if reply.has_error() else reply.content.get("identity")
            claim = record.get(PARTITION) if isinstance(record, MetricRecord) else None
            if node in nodes and node not in claims and isinstance(claim, int) and claim >= 0:
                claims[node] = claim
        return claims

    def _free(self, wanted: int | None) -> int:
        taken = set(self.clients.values())
        if wanted is not None and wanted not in taken:
            return wanted
        return next(i for i in range(len(taken) + 1) if i not in taken)


def wait_for(grid: Grid, nodes: int, patience: float) -> None:
    """Wait until so many nodes have connected, but no more than `patience` seconds."""
    deadline = perf_counter() + patience
    while patience and (there := len(list(grid.get_node_ids()))) < nodes:
        if perf_counter() > deadline:
            logger.warning("Only %d of %d clients have connected.", there, nodes)
            break
        sleep(_POLL)
