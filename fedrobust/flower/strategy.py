"""Run any fedrobust rule as a Flower strategy."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from time import perf_counter
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from torch import Tensor

from fedrobust.core import seeds
from fedrobust.core.admission import claimed_examples, claimed_losses, faults_of_rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RootData, RoundInfo, State
from fedrobust.core.ledger import RoundLedger
from fedrobust.core.sampling import malicious_in_sample, sample
from fedrobust.core.seeds import Purpose
from fedrobust.errors import AggregationError
from fedrobust.flower.exchange import Broadcast, payload
from fedrobust.flower.intake import Admitted, Intake, admit
from fedrobust.flower.records import Form
from fedrobust.flower.reported import median_metrics
from fedrobust.flower.roster import Roster, wait_for

__all__ = ["RobustStrategy"]


class RobustStrategy(FedAvg):
    """FedAvg with its average replaced by a rule, and nothing that clients send believed.

    A reply that is not fit to aggregate is dropped and named in the ledger; if too few remain for
    the rule, the round keeps the old model and the run goes on.

    Args:
        rule: how to aggregate updates.
        seed: of sampling and of what the rule draws.
        num_malicious: how many of all clients are expected to be malicious; a round's f follows.
        root: tells what the server learns from its own examples, given a round and its model.
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
        root: Callable[[int, Tensor], RootData | None] = lambda round, params: None,
        rounds_done: int = 0,
        patience: float = 600.0,
        on_round: Callable[[RoundLedger], None] | None = None,
        **fedavg: Any,
    ) -> None:
        evaluation = {"min_evaluate_nodes": 0} if "fraction_evaluate" not in fedavg else {}
        super().__init__(**{"fraction_evaluate": 0.0, "min_train_nodes": 1, **evaluation, **fedavg})
        self.rule, self.seed, self.num_malicious = rule, seed, num_malicious
        self.rounds_done, self.patience, self.on_round = rounds_done, patience, on_round
        self.root = root
        self.roster = Roster()
        self.state: State = None  # of the rule; None before its first round
        self.models: dict[int, Tensor] = {}  # client: its own model, where a rule rewards them so
        self._intake: Intake | None = None
        self._root: tuple[int, RootData | None] | None = None  # of which round
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
        received = replies if isinstance(replies, Sequence) else list(replies)
        admitted = admit(intake, received, self.weighted_by_key)
        ledger = RoundLedger(
            intake.number,
            admitted.entries,
            sent_bytes=payload(intake.messages),
            received_bytes=payload(received),
        )
        out = None
        try:
            out = self._aggregate(intake, admitted, ledger)
        except AggregationError as error:
            ledger.applied, ledger.note = False, f"The model stays as it was: {error}"
        if out is not None:
            ledger.measure(admitted.updates, out)
        ledger.seconds["clients"] = received_at - self._sent_at
        ledger.seconds["aggregate"] = perf_counter() - received_at
        if self.on_round is not None:
            self.on_round(ledger)
        metrics = median_metrics(admitted.contents, self.weighted_by_key)
        if out is None:
            return None, metrics
        return intake.form.record(intake.params + out.update), metrics

    def _aggregate(self, intake: Intake, admitted: Admitted, ledger: RoundLedger) -> Aggregate:
        if not len(admitted.updates):
            raise AggregationError(f"no reply could be used ({admitted.why_not()}).")
        if self.state is None:
            self.state = self.rule.init(intake.params)
        dropped = sum(e.fault is not None and e.fault.hostile for e in ledger.entries)
        clients = [e.client for e in ledger.entries if e.fault is None]
        generator = seeds.generator(self.seed, Purpose.SERVER, intake.number)
        info = self._info(intake, clients, admitted.examples, dropped, generator, admitted.losses)
        out = self.rule.aggregate(admitted.updates, self.state, info)
        if not out.update.isfinite().all():
            raise AggregationError("the aggregate has values that are not finite.")
        self.state = out.state
        if out.models is not None:
            self.models |= dict(zip(info.clients.tolist(), out.models, strict=True))
        return out

    def _info(
        self,
        intake: Intake,
        clients: Sequence[int],
        examples: Tensor,
        dropped: int,
        generator: torch.Generator,
        losses: Tensor | None,
    ) -> RoundInfo:
        asked, known = len(intake.nodes), max(len(self.roster), self.num_malicious)
        expected = malicious_in_sample(known, self.num_malicious, asked)
        if self._root is None or self._root[0] != intake.number:
            self._root = intake.number, self.root(intake.number, intake.params)
        return RoundInfo(
            intake.number,
            intake.params,
            clients=torch.tensor(clients),
            examples=examples,
            generator=generator,
            num_malicious=max(0, expected - dropped),
            dropped=dropped,
            root=self._root[1],
            starts=self._starts(intake, clients),
            layers=tuple(shape.numel() for shape in intake.form.layout.shapes.values()),
            losses=losses,
        )

    def _starts(self, intake: Intake, clients: Sequence[int]) -> Tensor | None:
        """Return the models ``[n, d]`` that clients were sent; None if it was the server's own."""
        if self.models.keys().isdisjoint(clients):
            return None
        return torch.stack([intake.starts[client] for client in clients])

    def rehearse(
        self,
        updates: Tensor,
        clients: Sequence[int],
        examples: Tensor,
        generator: torch.Generator,
        losses: Tensor | None = None,
    ) -> Tensor | None:
        """Return what would become of updates in the round under way, and change nothing.

        Args:
            updates: ``[n, d]`` what clients would send.
            clients: n ids, ascending.
            examples: ``[n]`` how many examples they would say they have.
            generator: what the rule draws from.
            losses: ``[n]`` what they would say they lose by the model; None if they do not.

        Returns:
            The update ``[d]`` of the model, or None if the server would keep its model.
        """
        if (intake := self._intake) is None:
            raise AggregationError("rehearse needs configure_train to come before it.")
        if not (sound := [p for p, fault in enumerate(faults_of_rows(updates)) if fault is None]):
            return None
        claims, _ = claimed_examples(examples[sound].tolist())
        who = [clients[p] for p in sound]
        state = deepcopy(self.rule.init(intake.params) if self.state is None else self.state)
        try:
            told = None if losses is None else claimed_losses(losses[sound].tolist())
            info = self._info(intake, who, claims, len(updates) - len(sound), generator, told)
            fit = updates if len(sound) == len(updates) else updates[sound]
            update = self.rule.aggregate(fit, state, info).update
        except AggregationError:
            return None
        return update if update.isfinite().all() else None

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
        return median_metrics(list(contents.values()), self.weighted_by_key)

    def _sampled(self, grid: Grid, number: int, fraction: float, least: int) -> dict[int, int]:
        """Return the nodes of the clients that take part in a round, by client id."""
        wait_for(grid, self.min_available_nodes, self.patience)
        self.patience = 0.0
        self.roster.update(grid)
        nodes = self.roster.online(grid)
        size = min(len(nodes), max(round(len(nodes) * fraction), least))
        generator = seeds.generator(self.seed, Purpose.SAMPLE, number)
        return {client: nodes[client] for client in sample(list(nodes), size, generator)}
