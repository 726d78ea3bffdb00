"""Run any fedrobust rule as a Flower strategy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from logging import getLogger
from statistics import median
from time import perf_counter, sleep
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from torch import Tensor

from fedrobust.core import rows, seeds
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo, State
from fedrobust.core.ledger import RoundLedger
from fedrobust.core.sampling import malicious_in_sample, sample
from fedrobust.core.seeds import Purpose
from fedrobust.errors import AggregationError
from fedrobust.flower.exchange import Broadcast
from fedrobust.flower.intake import Intake, admit
from fedrobust.flower.records import Form
from fedrobust.flower.roster import Roster

__all__ = ["RobustStrategy"]

logger = getLogger(__name__)

_POLL = 0.2  # seconds between looks at who has connected
_HUGE = 1e300  # an integer beyond it would not fit a float


class RobustStrategy(FedAvg):
    """FedAvg with its average replaced by a rule, and nothing that clients send believed.

    A reply that is not fit to aggregate is dropped and named in the ledger; if too few remain for
    the rule, the round keeps the old model and the run goes on.

    Args:
        rule: how to aggregate updates.
        seed: of sampling and of what the rule draws.
        num_malicious: how many of all clients are expected to be malicious; a round's f follows.
        rounds_done: how many rounds of the run went before, where it is resumed.
        patience: seconds to wait before the first round for `min_available_nodes` to connect; the
            run then starts with those that are there, and later rounds never wait.
        on_round: called after each aggregation with what happened to each client.
        fedavg: keyword arguments of Flower's `FedAvg`; `fraction_evaluate` defaults to 0.
    """

    def __init__(
        self,
        rule: Aggregator,
        *,
        seed: int = 0,
        num_malicious: int = 0,
        rounds_done: int = 0,
        patience: float = 600.0,
        on_round: Callable[[RoundLedger], None] | None = None,
        **fedavg: Any,
    ) -> None:
        evaluation = {"min_evaluate_nodes": 0} if "fraction_evaluate" not in fedavg else {}
        super().__init__(**{"fraction_evaluate": 0.0, "min_train_nodes": 1, **evaluation, **fedavg})
        self.rule, self.seed, self.num_malicious = rule, seed, num_malicious
        self.rounds_done, self.patience, self.on_round = rounds_done, patience, on_round
        self.roster = Roster()
        self.state: State = None  # of the rule; None before its first round
        self.models: dict[int, Tensor] = {}  # client: its own model, where a rule rewards them so
        self._intake: Intake | None = None
        self._sent_at = 0.0

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Sequence[Message]:
        """Sample clients by their ids, and remember what each of them is sent."""
        number = server_round + self.rounds_done
        form = Form.of(arrays)
        params = form.vector(arrays)
        nodes = self._sampled(grid, number, self.fraction_train, self.min_train_nodes)
        starts = {client: self.models.get(client, params) for client in nodes}
        config = ConfigRecord({**config, "server-round": number})
        common = RecordDict({self.arrayrecord_key: arrays, self.configrecord_key: config})
        group = str(number)
        messages: Sequence[Message]
        messages = Broadcast(common, list(nodes.values()), MessageType.TRAIN, group)
        if not self.models.keys().isdisjoint(nodes):
            messages = [self._own(c, node, common, form, group) for c, node in nodes.items()]
        self._intake = Intake(number, form, params, starts, nodes, messages, self.roster)
        self._sent_at = perf_counter()
        return messages

    def _own(self, client: int, node: int, common: RecordDict, form: Form, group: str) -> Message:
        """Return the message to a client that may have a model of its own."""
        content = common
        if client in self.models:
            own = form.record(self.models[client])
            content = RecordDict({**common, self.arrayrecord_key: own})
        return Message(content, node, MessageType.TRAIN, group_id=group)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Admit replies, aggregate their updates, and move the model; None keeps the old one."""
        intake = self._intake
        if intake is None:
            raise AggregationError("aggregate_train needs configure_train to come before it.")
        received_at = perf_counter()
        admitted = admit(intake, replies, self.weighted_by_key)
        ledger, updates = RoundLedger(intake.number, admitted.entries), admitted.updates
        out = None
        try:
            out = self._aggregate(intake, admitted.updates, admitted.examples, ledger)
        except AggregationError as error:
            ledger.applied, ledger.note = False, f"The model stays as it was: {error}"
        if out is not None:
            _write_ledger(ledger, out, updates)
        ledger.seconds["clients"] = received_at - self._sent_at
        ledger.seconds["aggregate"] = perf_counter() - received_at
        if self.on_round is not None:
            self.on_round(ledger)
        metrics = _median_metrics(admitted.contents, self.weighted_by_key)
        if out is None:
            return None, metrics
        return intake.form.record(intake.params + out.update), metrics

    def _aggregate(
        self, intake: Intake, updates: Tensor, examples: Tensor, ledger: RoundLedger
    ) -> Aggregate:
        if not len(updates):
            reasons = {f"{e.fault}: {e.note}" if e.note else str(e.fault) for e in ledger.entries}
            listed = "; ".join(sorted(reasons)[:3]) or "no client was there"
            raise AggregationError(f"no reply could be used ({listed}).")
        if self.state is None:
            self.state = self.rule.init(intake.params)
        asked, known = len(intake.nodes), max(len(self.roster), self.num_malicious)
        dropped = sum(e.fault is not None and e.fault.hostile for e in ledger.entries)
        expected = malicious_in_sample(known, self.num_malicious, asked)
        info = RoundInfo(
            intake.number,
            intake.params,
            clients=torch.tensor([e.client for e in ledger.entries if e.fault is None]),
            examples=examples,
            generator=seeds.generator(self.seed, Purpose.SERVER, intake.number),
            num_malicious=max(0, expected - dropped),
            dropped=dropped,
        )
        out = self.rule.aggregate(updates, self.state, info)
        if not out.update.isfinite().all():
            raise AggregationError("the aggregate has values that are not finite.")
        self.state = out.state
        if out.models is not None:
            self.models |= dict(zip(info.clients.tolist(), out.models, strict=True))
        return out

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Sample clients as for training; none by default."""
        if self.fraction_evaluate == 0.0:
            return []
        number = server_round + self.rounds_done
        nodes = self._sampled(grid, number, self.fraction_evaluate, self.min_evaluate_nodes)
        config = ConfigRecord({**config, "server-round": number})
        content = RecordDict({self.arrayrecord_key: arrays, self.configrecord_key: config})
        return [Message(content, node, MessageType.EVALUATE) for node in nodes.values()]

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Return the median of what clients report, which no minority can move far."""
        contents = {
            reply.metadata.src_node_id: reply.content
            for reply in replies
            if not reply.has_error()
            and self.roster.client_of(reply.metadata.src_node_id) is not None
        }
        return _median_metrics(list(contents.values()), self.weighted_by_key)

    def _sampled(self, grid: Grid, number: int, fraction: float, least: int) -> dict[int, int]:
        """Return the nodes of the clients that take part in a round, by client id."""
        if self.patience:
            self._wait(grid)
        self.roster.update(grid)
        nodes = self.roster.online(grid)
        size = min(len(nodes), max(round(len(nodes) * fraction), least))
        generator = seeds.generator(self.seed, Purpose.SAMPLE, number)
        return {client: nodes[client] for client in sample(list(nodes), size, generator)}

    def _wait(self, grid: Grid) -> None:
        deadline = perf_counter() + self.patience
        while (there := len(list(grid.get_node_ids()))) < self.min_available_nodes:
            if perf_counter() > deadline:
                logger.warning(
                    "Only %d of %d clients have connected.", there, self.min_available_nodes
                )
                break
            sleep(_POLL)
        self.patience = 0.0


def _write_ledger(ledger: RoundLedger, out: Aggregate, updates: Tensor) -> None:
    nothing = [None] * len(updates)
    measured = zip(
        (entry for entry in ledger.entries if entry.fault is None),
        rows.norms(updates).tolist(),
        rows.cosines(updates, out.update).tolist(),
        nothing if out.weights is None else out.weights.tolist(),
        nothing if out.scores is None else out.scores.tolist(),
        strict=True,
    )
    for entry, *values in measured:
        entry.norm, entry.cosine, entry.weight, entry.score = values


def _median_metrics(contents: list[RecordDict], weight: str) -> MetricRecord | None:
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
