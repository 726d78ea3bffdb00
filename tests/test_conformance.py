"""The comparison with peers, without the peers: definitions, verdicts, texts, and our own side."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.conformance import __main__ as command
from benchmarks.conformance import alternatives, asking, ours, page, reference, server_steps, whys
from benchmarks.conformance.absent import ABSENT
from benchmarks.conformance.cases import CASES, PEERS, resolved
from benchmarks.conformance.inputs import INPUTS, WITH_NAN
from benchmarks.conformance.systems import NOTHING, OURSELVES
from benchmarks.conformance.verdict import Outcome, distance, of_nan, relative, spread
from benchmarks.conformance.whys import WHYS, Proof, Why
from benchmarks.workers import Failure

ROOT = Path(__file__).resolve().parent.parent
X3, X7 = (one.rounds[0].astype(float) for one in INPUTS[:2])
TITLES = [case.title for case in CASES]


class Alone:
    """Stands in for all systems: it has ours, in this process."""

    def __init__(self, folder):
        self.given = folder / "given.npy"

    def ask(self, system, args, rounds, times=2):
        assert system == OURSELVES
        np.save(self.given, rounds)
        run = ours.rule(**args)
        answers = [run(str(self.given)) for _ in range(times)]
        return [(np.asarray(values, float), None, bool(changed)) for changed, values in answers]


@pytest.mark.parametrize(
    ("rule", "fields", "expected"),
    [
        (reference.mean, {}, [4, 5, 6]),
        (reference.averaged_by_examples, {}, [5, 6, 7]),
        (reference.median, {}, [4, 5, 6]),
        (reference.trimmed_mean, {}, [4, 5, 6]),
        (reference.mean_around_median, {}, [2.5, 3.5, 4.5]),
        (reference.krum, {"fewer": 1, "several": False}, [1, 2, 3]),
        (reference.krum, {"fewer": 1, "several": True}, [2.5, 3.5, 4.5]),
        (reference.geometric_median, {}, [4, 5, 6]),
        (reference.mda, {}, [2.5, 3.5, 4.5]),
        (reference.smea, {}, [2.5, 3.5, 4.5]),
        (reference.monna, {"trusted": 1}, [2.5, 3.5, 4.5]),
        (reference.caf, {}, [4, 5, 6]),
        (alternatives.weiszfeld_from_zero, {}, [3.78788764, 4.78788764, 5.78788764]),
    ],
)
def test_definitions_give_the_known_answers_for_three_updates(rule, fields, expected):
    answer = rule(X3, 1, **fields)

    assert distance(np.array(expected, float), answer, 1.0) < 1e-7


@pytest.mark.parametrize(
    ("rule", "fields", "expected"),
    [
        (reference.median, {}, [4, -2, 3]),
        (reference.trimmed_mean, {}, [4, -5 / 3, 8 / 3]),
        (reference.krum, {"fewer": 1, "several": False}, [4, -4, 3]),
        (reference.krum, {"fewer": 2, "several": False}, [4, -4, 3]),
        (reference.krum, {"fewer": 1, "several": True}, [3.2, -1.8, 2.4]),
        (reference.mda, {}, [3.2, -1.8, 2.4]),
        (reference.smea, {}, [3.2, -1.8, 2.4]),
        (reference.caf, {}, [3.638172, -1.297257, 2.605238]),
        (reference.geometric_median, {}, [3.012231, -1.626498, 1.839793]),
    ],
)
def test_definitions_give_the_known_answers_for_seven_updates(rule, fields, expected):
    answer = rule(X7, 2, **fields)

    assert distance(np.array(expected, float), answer, 1.0) < 1e-6


def test_definitions_of_steps_give_the_known_answers():
    """With f = 1 of 3, adaptive clipping clips one update, to the second norm: sqrt(77)."""
    assert reference.nnm(X3, 1) == pytest.approx(X3 - [[-1.5], [1.5], [1.5]])
    assert reference.adaptive_clipping(X3, 1)[2] == pytest.approx([4.41004, 5.040046, 5.670052])
    assert reference.clip(X3, 1, 2.0)[0] == pytest.approx([0.53452248, 1.06904497, 1.60356745])
    assert reference.clipped_mean(X3, 1, 100.0) == pytest.approx([4, 5, 6])


def test_centered_clipping_remembers_and_its_alternative_does_not():
    """One update of length 2 and a radius of 1: the center is 1, then 2."""
    rounds = np.array([[[2.0]], [[2.0]]])

    assert reference.centered_clipping(rounds, 0, 1.0, 1) == 2.0
    assert alternatives.centered_clipping_afresh(rounds, 0, 1.0, 1) == 1.0


def test_server_steps_follow_their_papers():
    """Two rounds of u = 1 and u = 3, lr = 1 and every beta 1/2, worked by hand."""
    rounds = np.array([[[1.0]], [[3.0]]])
    half = {"lr": 1.0, "beta1": 0.5, "beta2": 0.5, "tau": 1.0}

    assert server_steps.momentum(rounds, 0, 0.5, 1.0) == 1 + 3.5
    assert server_steps.adam(rounds, 0, **half) == pytest.approx(0.5 / 2 + 1.75 / (5**0.5 + 1))
    assert server_steps.yogi(rounds, 0, **half) == pytest.approx(0.5 / 2 + 1.75 / (5.5**0.5 + 1))
    assert server_steps.adagrad(rounds, 0, 1.0, 0.5, 1.0) == pytest.approx(
        0.5 / (2**0.5 + 1) + 1.75 / (11**0.5 + 1)
    )
    assert alternatives.adagrad_from_zero(rounds, 0, 1.0, 0.5, 1.0) == pytest.approx(
        0.5 / 2 + 1.75 / (10**0.5 + 1)
    )


def test_bulyan_one_by_one_is_not_bulyan_at_once():
    rows = INPUTS[2].rounds[0].astype(float)

    one_by_one, at_once = reference.bulyan(rows, 2), alternatives.bulyan_at_once(rows, 2)

    assert min(distance(answer, at_once, 1.0) for answer in one_by_one) > 0.1
    assert distance(reference.bulyan(X7, 0)[0], alternatives.bulyan_at_once(X7, 0), 1.0) == 0


def test_the_lower_median_is_the_lower_of_two():
    rows = np.array([[4.0], [1.0], [2.0], [8.0]])

    assert (alternatives.lower_median(rows, 0), reference.median(rows, 0)) == (2.0, 3.0)


def test_one_step_of_a_power_iteration_chooses_another_subset():
    rows = INPUTS[2].rounds[0].astype(float)

    assert distance(alternatives.smea_by_one_step(rows, 3)[0], reference.smea(rows, 3), 1.0) > 0.1
    assert distance(alternatives.caf_by_one_step(rows, 3), reference.caf(rows, 3), 1.0) > 0.1
    assert distance(alternatives.caf_by_three_steps(rows, 3), reference.caf(rows, 3), 1.0) > 0.1


def test_any_partition_into_buckets_is_right_and_nothing_else():
    rows = np.arange(5.0)[:, None] ** 2
    right, twice = np.array([[8.5], [4.5], [4.0]]), np.array([[8.5], [8.5], [4.0]])

    assert distance(right, reference.bucketing(rows, 0, 2, right), 1.0) == 0
    assert distance(twice, reference.bucketing(rows, 0, 2, twice), 1.0) > 1
    assert distance(right[:2], reference.bucketing(rows, 0, 2, right[:2]), 1.0) == np.inf


def test_of_equal_scores_every_choice_is_allowed():
    choices = list(reference.lowest(np.array([2.0, 1.0, 2.0, 3.0]), 2))

    assert choices == [[1, 0], [1, 2]]


def test_rounding_to_float32_is_no_distance():
    exact = np.array([1.0, 1000.0])

    assert distance(exact * (1 + 1e-7), exact, 1e-9) == 0
    assert distance(np.array([1.0, 1000.5]), exact, 2.0) == pytest.approx(0.25, rel=1e-2)
    assert relative(np.array([1.0, 1000.5]), exact) == 0.0005


def test_the_nearest_of_several_exact_answers_counts():
    assert distance(np.array([2.0]), [np.array([0.0]), np.array([2.0])], 1.0) == 0
    assert distance(np.array([np.nan]), np.array([0.0]), 1.0) == np.inf
    assert relative(np.zeros(2), [np.zeros(3)]) == np.inf


def test_the_spread_is_that_of_usual_values():
    assert spread(np.array([[0.0], [1.0], [2.0], [1e9], [-5.0]])) == 1.0
    assert spread(np.full((4, 2), -3.0)) == 3.0


def test_what_one_nan_led_to_is_said():
    exact, whole = np.array([1.0, 2.0]), np.array([[1.0, np.nan], [1.0, 2.0]])

    assert of_nan(exact, None, exact, 1.0) == "left out"
    assert of_nan(exact + 1, None, exact, 1.0) == "another answer"
    assert of_nan(exact * [1, np.nan], None, exact, 1.0) == "NaN"
    assert of_nan(whole, None, exact, 1.0) == "NaN in 1 of 2 rows"
    assert of_nan(None, "raises TypeError", exact, 1.0) == "raises TypeError"


def outcome(system, away, **more):
    return Outcome(system, "krum", "random", away, away, **more)


def test_the_page_is_refused_where_we_are_wrong_or_a_text_does_not_fit(monkeypatch):
    monkeypatch.setattr(whys, "WHYS", ())
    assert whys.complaints([outcome(OURSELVES, 1e-5), outcome("ByzPy", 0.0)], OURSELVES) == []
    assert whys.complaints([outcome(OURSELVES, 0.5), outcome("ByzPy", 0.5)], OURSELVES) == [
        "krum of fedrobust on 'random' is not the definition's: 0.5",
        "krum of ByzPy on 'random' differs, and nothing says why: 0.5",
    ]

    why = Why("Because", "rounding", "It rounds.", {("krum", "ByzPy"): Proof(moved=True)})
    monkeypatch.setattr(whys, "WHYS", (why,))
    assert whys.complaints([outcome("ByzPy", 0.5)], OURSELVES) == []
    assert whys.complaints([outcome("ByzPy", 0.0)], OURSELVES) == [
        "'Because' explains krum of ByzPy, which is equal"
    ]


def test_an_explanation_for_named_updates_goes_before_a_general_one(monkeypatch):
    general = Why("General", "rounding", "", {("krum", "ByzPy"): Proof()})
    named = Why("Named", "rounding", "", {("krum", "ByzPy"): Proof(inputs=["small"])})
    monkeypatch.setattr(whys, "WHYS", (general, named))

    assert whys.why("krum", "ByzPy", "small") is named
    assert whys.why("krum", "ByzPy", "1e18") is general
    assert whys.why("krum", "ByzFL", "small") is None


def test_an_explanation_that_does_not_hold_is_found(monkeypatch):
    case, given = CASES[TITLES.index("coordinate_median")], INPUTS[3]
    rows = given.rounds[0].astype(float)
    proof = Proof(alternatives.lower_median)
    monkeypatch.setattr(whys, "WHYS", (Why("Low", "convention", "", {(case.title, "A"): proof}),))

    def disproved(values):
        one = Outcome("A", case.title, given.name, 1.0, 1.0, values=values)
        return asking.disproofs(None, CASES, [one])

    assert disproved(np.sort(rows, axis=0)[4]) == []
    assert disproved(np.sort(rows, axis=0)[5]) == [
        "'Low' does not explain coordinate_median of A on 'random, even'"
    ]


def test_an_answer_that_never_came_is_not_equal():
    assert not outcome("ByzFL", np.inf, said=NOTHING).equal
    assert not outcome("ByzFL", 0.0, said="raises ValueError").equal


def test_fields_are_given_the_numbers_of_the_round():
    fields = {"f": "f", "q": "n-f", "beta": "f/n", "tau": "radius", "init": "zero", "L": 3}

    assert resolved(fields, 10, 3, 7.5) == {
        "f": 3, "q": 7, "beta": 0.3, "tau": 7.5, "init": "zero", "L": 3,
    }  # fmt: skip


def test_a_rule_of_a_peer_that_nobody_looked_at_is_named():
    assert page.covered({"ByzFL": ["Krum", "NewRule"], "Flower": ["QFedAvg"]}) == [
        "ByzFL has NewRule, which is neither compared nor said to be absent"
    ]


def test_no_rule_is_both_compared_and_absent():
    compared = {(peer, part[0]) for case in CASES for peer, part in case.peers.items()}

    assert compared.isdisjoint(ABSENT)
    assert {peer for peer, _ in compared | set(ABSENT)} == set(PEERS)


def test_explanations_are_for_rules_that_are_compared():
    pairs = {(case.title, peer) for case in CASES for peer in case.peers}
    known = {one.name for one in INPUTS}

    assert {pair for one in WHYS for pair in one.proofs} <= pairs
    assert {
        name for one in WHYS for proof in one.proofs.values() for name in proof.inputs or ()
    } <= known


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_our_answers_are_the_definitions(case, tmp_path):
    alone = Alone(tmp_path)

    answers = [
        asking.measured(alone, case, OURSELVES, one)
        for one in INPUTS
        if asking.allowed(case, one) is not None
    ]

    assert len(answers) >= 12
    assert [one for one in answers if not one.equal or one.changed or one.varies] == []
    assert max(one.relative for one in answers) < 1e-6


@pytest.mark.parametrize("case", CASES, ids=TITLES)
def test_we_leave_nan_out(case, tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "PEERS", ())

    assert asking.ask_with_nan(Alone(tmp_path), case) == {OURSELVES: "left out"}


def test_the_update_of_nan_is_the_last():
    finite = np.isfinite(WITH_NAN.rounds).all(2)

    assert finite[:, :-1].all()
    assert not finite[:, -1].any()


def test_the_page_has_everything_that_is_compared():
    """A new component, which is one file and its test, may be missing until the next writing."""
    text = (ROOT / "docs" / "conformance.md").read_text("utf-8")

    compared = {name for case in CASES for name, _ in case.ours}

    assert compared <= set(ours.stages())
    assert [name for name in compared if f"`{name}`" not in text] == [], "type: make conformance"
    assert [one.title for one in WHYS if f"\n### {one.title}\n" not in text] == []
    assert [name for _, name in ABSENT if f"`{name}`" not in text] == []


def test_who_cannot_be_asked_is_named(monkeypatch):
    def absent():
        raise Failure(".venv-peers/bin/python does not exist")

    monkeypatch.setattr(command, "compared", absent)

    with pytest.raises(SystemExit, match=r"bin/python does not exist; try `make conformance`"):
        command.main()


def test_a_page_that_would_be_wrong_is_not_written():
    command.refuse([])

    with pytest.raises(SystemExit, match=r"(?s)is not written.*- we are wrong.*- so is a text"):
        command.refuse(["we are wrong", "so is a text"])
