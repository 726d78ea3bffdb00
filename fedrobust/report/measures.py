"""The figures that a report shows of each run."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fedrobust.report.content import Measure
from fedrobust.results.outcomes import average

__all__ = ["MEASURES", "figures_of", "told"]

Summary = Mapping[str, Any]


def _of(key: str) -> Callable[[Summary], float | None]:
    return lambda summary: summary.get(key)


def _in_tally(key: str) -> Callable[[Summary], float | None]:
    def read(summary: Summary) -> float | None:
        tally = summary.get("tally") or {}
        judges = tally and tally["caught"] + tally["wronged"] > 0  # it leaves out anybody at all
        if not summary.get("malicious") or summary.get("selective") or not judges:
            return None
        return float(tally[key]) if tally[key] is not None else None

    return read


def _in_collaboration(key: str) -> Callable[[Summary], float | None]:
    return lambda summary: (summary.get("collaboration") or {}).get(key)


def _in_removals(read: Callable[[Summary], float | None]) -> Callable[[Summary], float | None]:
    def found(summary: Summary) -> float | None:
        removals = (summary.get("collaboration") or {}).get("removals")
        return read(removals) if removals else None

    return found


def _score(summary: Summary) -> float | None:
    accuracy, success = summary.get("accuracy"), summary.get("attack_success")
    return None if accuracy is None else min(accuracy, 1 - (success or 0.0))


def _corrupted(summary: Summary) -> float | None:
    return average((summary.get("corrupted_accuracy") or {}).values())


MEASURES: dict[Measure, Callable[[Summary], float | None]] = {
    Measure(
        "score",
        "Score",
        "share",
        "higher",
        "The lower of accuracy and 1 - attack success: what the model gets right of ordinary "
        "inputs, or of those that an attacker prepared, whichever is worse.",
    ): _score,
    Measure(
        "accuracy",
        "Accuracy",
        "share",
        "higher",
        "The share of test inputs that the model classifies correctly at the end, on average over "
        "the last evaluations.",
    ): _of("accuracy"),
    Measure(
        "lost",
        "Accuracy lost",
        "share",
        "lower",
        "How far accuracy is below that of the undefended while nobody attacks, with the same "
        "seed; of the best defense where none is undefended.",
    ): _of("lost"),
    Measure(
        "attack_success",
        "Attack success",
        "share",
        "lower",
        "The share of prepared inputs on which the model does what the attacker wants; the highest "
        "of all attackers with such a goal.",
    ): _of("attack_success"),
    Measure(
        "worst_class_accuracy",
        "Accuracy in the worst class",
        "share",
        "higher",
        "The accuracy within the class that fares worst.",
    ): _of("worst_class_accuracy"),
    Measure(
        "worst_client_accuracy",
        "Accuracy for the worst-off client",
        "share",
        "higher",
        "The accuracy on the mixture of classes that the worst-off honest client holds.",
    ): _of("worst_client_accuracy"),
    Measure(
        "corrupted",
        "Accuracy on corrupted inputs",
        "share",
        "higher",
        "The mean accuracy over kinds of corruption of the test inputs.",
    ): _corrupted,
    Measure(
        "f1",
        "Detection F1",
        "share",
        "higher",
        "How well the updates that counted for nothing match the malicious ones: the harmonic mean "
        "of precision and recall.",
    ): _in_tally("f1"),
    Measure(
        "auc",
        "Detection AUC",
        "share",
        "higher",
        "How often the rule suspects a malicious update more than an honest one of the same round, "
        "by its scores or else its weights, which need not mean suspicion: 50 % is chance.",
    ): _of("auc"),
    Measure(
        "wronged",
        "Honest updates left out",
        "share",
        "lower",
        "The share of honest updates that counted for nothing.",
    ): _in_tally("false_positive_rate"),
    Measure(
        "relative_weight",
        "Weight of an attacker",
        "number",
        "lower",
        "How much a malicious update counts where an honest one counts 1.",
    ): lambda summary: summary.get("relative_weight") if summary.get("malicious") else None,
    Measure(
        "own_accuracy",
        "Accuracy of clients' own models",
        "share",
        "higher",
        "The mean over honest clients of the accuracy on all test data of the model that only this "
        "client was given.",
    ): _in_collaboration("mean"),
    Measure(
        "worst_own_accuracy",
        "Accuracy of the worst own model",
        "share",
        "higher",
        "The accuracy of the own model of the honest client who fares worst.",
    ): _in_collaboration("worst"),
    Measure(
        "best_own_accuracy",
        "Accuracy of the best own model",
        "share",
        "higher",
        "The accuracy of the own model of the honest client who fares best.",
    ): _in_collaboration("best"),
    Measure(
        "fairness",
        "Collaborative fairness",
        "number",
        "higher",
        "100 times the correlation over honest clients between what they reach alone and what the "
        "federation gives them; it needs a run of the strategy standalone.",
    ): _in_collaboration("fairness"),
    Measure(
        "rank_fairness",
        "Rank fairness",
        "number",
        "higher",
        "Spearman's correlation of the same, from -1 to 1: whether those who reach more alone get "
        "more, however much more.",
    ): _in_collaboration("rank_fairness"),
    Measure(
        "jain",
        "Evenness of clients' own models",
        "number",
        "higher",
        "Jain's index of the accuracies of honest clients' own models: 1 if all are equal.",
    ): _in_collaboration("jain"),
    Measure(
        "gini",
        "Inequality of rewards",
        "number",
        "",
        "The Gini coefficient of how much of the aggregate honest clients get in the end: 0 if all "
        "get the same.",
    ): _in_collaboration("gini"),
    Measure(
        "removed_malicious",
        "Malicious clients removed",
        "share",
        "higher",
        "The share of malicious clients whose reputation is zero for good.",
    ): _in_removals(lambda it: len(it["caught"]) / it["malicious"] if it["malicious"] else None),
    Measure(
        "removed_honest",
        "Honest clients removed",
        "number",
        "lower",
        "How many honest clients have a reputation of zero for good.",
    ): _in_removals(lambda it: len(it["wronged"])),
    Measure(
        "removal_round",
        "Round of removal",
        "number",
        "lower",
        "In which round malicious clients were removed, on average over those who were.",
    ): _in_removals(lambda it: average(it["caught"].values())),
    Measure(
        "bytes",
        "Bytes a round",
        "bytes",
        "lower",
        "What the server sends and receives in a round.",
    ): _of("bytes"),
    Measure(
        "bytes_sent",
        "Bytes sent a round",
        "bytes",
        "lower",
        "What the server sends to clients in a round, for them to train.",
    ): _of("bytes_sent"),
    Measure(
        "bytes_received",
        "Bytes received a round",
        "bytes",
        "lower",
        "What the server receives from clients in a round, to aggregate.",
    ): _of("bytes_received"),
}
SECONDS = Measure(
    "seconds",
    "Seconds a round",
    "seconds",
    "lower",
    "What a round takes on one thread, all clients together: the median over rounds and seeds, "
    "while other runs shared the machine. A rough guide.",
)


def figures_of(summary: Summary) -> dict[str, float]:
    """Return what a run's summary says, by measure."""
    found = {measure.key: read(summary) for measure, read in MEASURES.items()}
    return {key: float(value) for key, value in found.items() if value is not None}


def told(keys: Iterable[str]) -> list[Measure]:
    """Return the measures that a report can show, of those that its runs have."""
    known = set(keys)
    return [*(measure for measure in MEASURES if measure.key in known), SECONDS]
