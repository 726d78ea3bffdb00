"""What a report says of the clients of one run."""

from dataclasses import dataclass

__all__ = ["Clients", "Reputations", "Roc", "Timeline"]


@dataclass(frozen=True)
class Clients:
    """What each client of one run gave and got; lists of equal length."""

    client: list[int]
    role: list[str]  # "honest", or an attack
    examples: list[int]
    reward: list[float | None]  # its share of all weight; None where the rule gives none
    excluded: list[float | None]  # the share of its rounds in which it counted for nothing
    accuracy: list[float | None]  # of the final model, on its own mixture of classes
    own: list[float | None]  # of its own final model, on the test data
    alone: list[float | None]  # the same where it learned without the others
    removed: list[int | None]  # in which round; None unless it was, for good


@dataclass(frozen=True)
class Timeline:
    """Whom the rule left out when, in one run."""

    rounds: list[int]  # the first of each bin
    client: list[int]  # malicious clients first; not all clients where there are many
    role: list[str]
    excluded: list[str]  # of each client a digit a bin: ninths of it left out; "." not judged


@dataclass(frozen=True)
class Reputations:
    """What the rule thought of clients and gave them round by round, in one run.

    Of each client there is a list of what held in these rounds, or when it last took part.
    """

    rounds: list[int]
    client: list[int]  # malicious clients first; not all clients where there are many
    role: list[str]
    reputation: list[list[float | None]]  # its share of that of all; 0 once it is removed
    quota: list[list[float | None]]  # how much of the aggregate it gets


@dataclass(frozen=True)
class Roc:
    """How the rule's suspicions set malicious updates apart from honest ones, in one run.

    Lists of equal length, from a suspicion that nobody reaches to one that all do.
    """

    honest: list[float]  # the share of honest updates that are as suspect
    malicious: list[float]  # the same of malicious ones
