"""From the replies of a round to a matrix of updates that are fit to aggregate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import getLogger
from operator import is_
from typing import TypeGuard

import torch
from flwr.app import Message, RecordDict
from torch import Tensor

from fedrobust.core.admission import Fault, claimed_examples, claimed_losses, faults_of_rows
from fedrobust.core.ledger import Entry
from fedrobust.flower.exchange import EXAMPLES, LOSS, CohortReplies
from fedrobust.flower.records import Form, claim_of, only_model, update_matrix
from fedrobust.flower.roster import Roster

__all__ = ["Admitted", "Intake", "admit"]

logger = getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Intake:
    """What the server sent in a round, against which replies are checked."""

    number: int
    form: Form  # of the model
    params: Tensor  # [d] the global model
    starts: Mapping[int, Tensor]  # client: the model [d] it was sent
    nodes: Mapping[int, int]  # client: the node it was sent to
    messages: Sequence[Message]  # in the same order
    roster: Roster


@dataclass(eq=False)
class Admitted:
    """The replies of a round that are fit to aggregate, in the order of client ids."""

    updates: Tensor  # [n, d]
    examples: Tensor  # [n]
    contents: list[RecordDict]  # n of them; none of a cohort, which says nothing but its updates
    entries: list[Entry] = field(default_factory=list)  # one for each client, admitted or not
    losses: Tensor | None = None  # [n] float64, as claimed; None if nobody says

    def why_not(self) -> str:
        """Return why replies were dropped, in words."""
        faulty = (entry for entry in self.entries if entry.fault is not None)
        reasons = {f"{e.fault}: {e.note}" if e.note else str(e.fault) for e in faulty}
        return "; ".join(sorted(reasons)[:3]) or "no client was there"


def admit(intake: Intake, replies: Iterable[Message], weight_key: str) -> Admitted:
    """Check the replies of a round.

    A client may answer once, for itself, with one finite model like the one it was sent.

    Args:
        intake: what was sent, to whom.
        replies: what came back, in any order.
        weight_key: the metric in which clients claim how many examples they have.
    """
    if _is_whole_cohort(replies, intake) and weight_key == EXAMPLES:
        return _admit_cohort(intake, replies)
    entries = {client: Entry(client, node, Fault.SILENT) for client, node in intake.nodes.items()}
    contents: dict[int, RecordDict] = {}
    strays: dict[int, Entry] = {}  # by node
    for reply in sorted(replies, key=lambda r: r.metadata.src_node_id):
        client = _sender(intake, reply)
        if client is None or client not in entries:
            node = reply.metadata.src_node_id
            stray = -1 - len(strays) if client is None else client
            strays.setdefault(node, Entry(stray, node, Fault.UNASKED))
        elif entries[client].fault is not Fault.SILENT:
            entries[client].note = "answered twice; the first reply counts"
        elif reply.has_error():
            entries[client].fault = Fault.ERROR
            entries[client].note = _printable(reply.error.reason or "")
        else:
            entries[client].fault = _fault(intake, reply.content)
            contents[client] = reply.content
    sound = [client for client in sorted(entries) if entries[client].fault is None]
    models = [only_model(contents[client]) for client in sound]
    updates = torch.empty(0, intake.form.layout.size)
    if models:
        updates = update_matrix(
            [m for m in models if m is not None], [intake.starts[c] for c in sound], intake.form
        )
        faults = faults_of_rows(updates)
        for client, fault in zip(sound, faults, strict=True):
            entries[client].fault = fault
        if any(faults):
            updates = updates[torch.tensor([fault is None for fault in faults])]
            sound = [client for client in sound if entries[client].fault is None]
    claims = [claim_of(contents[client], weight_key) for client in sound]
    examples, notes = claimed_examples(claims)
    for client, note in zip(sound, notes, strict=True):
        entries[client].note = "; ".join(filter(None, (entries[client].note, note))) or None
    ordered = sorted([*entries.values(), *strays.values()], key=lambda entry: entry.client)
    for entry in ordered:
        if entry.fault is not None:
            logger.debug("Round %d: client %d: %s.", intake.number, entry.client, entry.fault)
    losses = claimed_losses([claim_of(contents[client], LOSS) for client in sound])
    return Admitted(updates, examples, [contents[client] for client in sound], ordered, losses)


def _is_whole_cohort(replies: Iterable[Message], intake: Intake) -> TypeGuard[CohortReplies]:
    """Say whether this process trained everyone who was asked, and nobody saw a reply since."""
    return (
        isinstance(replies, CohortReplies)
        and replies.untouched
        and replies.asked is intake.messages
        and list(intake.nodes) == sorted(intake.nodes)
        and all(map(is_, replies.starts, intake.starts.values()))  # no grid has changed them
    )


def _admit_cohort(intake: Intake, replies: CohortReplies) -> Admitted:
    """Check the replies of a cohort that this process has trained: only numbers can be wrong."""
    faults = faults_of_rows(replies.updates)
    entries = [
        Entry(client, node, fault)
        for (client, node), fault in zip(intake.nodes.items(), faults, strict=True)
    ]
    for place, reason in replies.lost.items():
        entries[place].fault, entries[place].note = Fault.ERROR, _printable(reason)
        faults[place] = Fault.ERROR
    updates, claims, losses = replies.updates, list(replies.examples), replies.losses
    sound = [entry for entry in entries if entry.fault is None]
    if any(faults):
        kept = [place for place, fault in enumerate(faults) if fault is None]
        updates = updates[kept]
        claims = [claims[place] for place in kept]
        losses = None if losses is None else [losses[place] for place in kept]
    examples, notes = claimed_examples(claims)
    for entry, note in zip(sound, notes, strict=True):
        entry.note = note
    told = None if losses is None else claimed_losses(losses)
    return Admitted(updates, examples, [], entries, told)


def _sender(intake: Intake, reply: Message) -> int | None:
    """Return which client a reply is from: as authenticated, or, for an error, as addressed.

    When a node is dead, the SuperLink writes the error reply itself, in its own name.
    """
    client = intake.roster.client_of(reply.metadata.src_node_id)
    if client is not None or not reply.has_error():
        return client
    answered = reply.metadata.reply_to_message_id
    sent = zip(intake.nodes, intake.messages, strict=True)
    asked = (client for client, m in sent if m.metadata.message_id == answered)
    return next(asked, None) if answered else None


def _fault(intake: Intake, content: RecordDict) -> Fault | None:
    model = only_model(content)
    return Fault.NO_MODEL if model is None else intake.form.fault(model)


def _printable(text: str) -> str:
    """Return what a client wrote, fit for a terminal and a table."""
    return "".join(c if c.isprintable() else " " for c in text[:200])
