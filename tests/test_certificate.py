"""What is proven, against formulas worked by hand."""

from time import perf_counter

import pytest

from fedrobust.catalogue import page
from fedrobust.certificate import Certificate
from fedrobust.scenario import Scenario


def certificate(**fields):
    table = {"clients": 20, "adversary": [{"attack": "ipm", "share": 0.2}], **fields}
    return Certificate.of(Scenario.parse(table))


def test_the_constants_are_those_of_the_declared_number():
    smea = certificate(strategy="smea")

    assert (smea.n, smea.f, smea.most) == (20, 4, 7)  # of 8 of 20 there are too many subsets
    assert smea.kappas[4] == pytest.approx(4 * 4 / 12)
    marked = next(line for line in smea.lines() if "<" in line)
    assert marked.split() == ["4", "1.333", "0.333", "<"]


def test_steps_before_a_rule_are_part_of_it():
    mixed = certificate(strategy=["nearest_neighbor_mixing", "coordinate_median"])

    assert mixed.defense == "nearest_neighbor_mixing + coordinate_median"
    assert mixed.kappas[4] == pytest.approx(8 * 4 / 16 * (1 + 4 * (1 + 4 / 12) ** 2))


def test_it_accepts_no_more_than_the_rule_does():
    assert certificate(strategy="krum").most == 8  # n >= 2f + 3
    assert certificate(strategy="bulyan").most == 4  # n >= 4f + 3
    assert certificate(strategy=["bucketing", "krum"], num_malicious=1).most == 3  # of 10 buckets


@pytest.mark.parametrize("rule", ["coordinate_median", "mean"])
@pytest.mark.parametrize("step", [[], ["bucketing"]])
def test_a_rule_without_a_bound_is_not_said_to_accept_any_number(rule, step):
    found = certificate(strategy=[*step, rule])

    assert found.most is None
    assert "The rule itself sets no bound." in found.lines()
    assert not any(line.startswith("It accepts") for line in found.lines())


OWN = ["trimmed_mean", "smea", "krum", "minimum_variance_averaging"]
STEPPED = [[{"name": "nearest_neighbor_mixing", "num_malicious": 1}, "coordinate_median"]]


@pytest.mark.parametrize("strategy", [*([{"name": r, "num_malicious": 1}] for r in OWN), *STEPPED])
def test_nothing_is_proven_beyond_the_number_a_step_reckons_with(strategy):
    found = certificate(strategy=strategy)

    assert (found.f, found.most, len(found.kappas)) == (4, 1, 2)
    name = strategy[0]["name"]
    assert list(found.lines())[-1] == (
        f"Nothing is proven beyond what it reckons with: {name} with 1."
    )


@pytest.mark.parametrize("rule", OWN)
def test_a_rule_that_reckons_with_more_is_certified_by_its_own_number(rule):
    careful = certificate(strategy={"name": rule, "num_malicious": 6})

    assert careful.most == 6
    assert careful.kappas == (certificate(strategy=rule).kappas[6],) * 7


@pytest.mark.parametrize("strategy", ["mean", "coordinate_median", "fltrust"])
@pytest.mark.parametrize("f", [5, 6, 10])
def test_half_of_a_round_is_more_than_any_rule_withstands(strategy, f):
    table = {"clients": 10, "strategy": strategy, "num_malicious": f, "root_examples": 100}

    last = list(Certificate.of(Scenario.parse(table)).lines())[-1]

    assert last.startswith("That is half of a round or more")


@pytest.mark.parametrize("rule", ["krum", "bulyan", "smea", "geometric_median", "trimmed_mean"])
def test_twenty_thousand_clients_take_moments_and_a_page(rule):
    start = perf_counter()

    found = Certificate.of(Scenario.parse({"clients": 20_000, "strategy": rule}))
    lines = list(found.lines())

    assert perf_counter() - start < 5
    assert len(lines) < 40
    assert found.most == {"krum": 9998, "bulyan": 4999, "smea": 1, "trimmed_mean": 9999}.get(rule)


def test_a_long_table_has_the_declared_number_in_it():
    found = certificate(strategy="trimmed_mean", clients=1000, adversary=[], num_malicious=123)

    rows = [line.split() for line in found.lines()][5:]

    assert [row[0] for row in rows if "<" in row] == ["123"]
    assert (rows[0][0], rows[-1][0]) == ("0", "499")


def test_where_nothing_is_proven_it_says_so():
    assert list(certificate(strategy="mean").lines())[-1].startswith("No constant is proven")


def test_it_warns_of_adversaries_that_control_more_than_is_declared():
    printed = "\n".join(certificate(strategy="smea", num_malicious=2).lines())

    assert "control 4, more than the 2 declared" in printed


def test_under_sampling_it_is_of_the_rounds_not_of_all_clients():
    sampled = certificate(strategy="trimmed_mean", clients=100, sample=0.2)

    assert (sampled.n, sampled.f) == (20, 9)
    assert "in at most 1 of 1000 rounds" in list(sampled.lines())[1]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("krum", "is at most 8.73 times the honest variance for f = 4 of n = 20 (no rule: below"),
        ("nearest_neighbor_mixing", "is at most 2.00 + 2.00 kappa times the honest variance for"),
        ("adaptive_robust_clipping", "is at most 0.67 + 1.00 kappa times the honest variance for"),
    ],
)
def test_what_is_proven_of_a_component_is_on_its_page(name, says):
    (line,) = (line for line in page(name).splitlines() if line.startswith("Proven: "))

    assert says in line
    assert line.endswith("see `fedrobust certify`.")


@pytest.mark.parametrize("name", ["mean", "bucketing", "server_momentum", "alie"])
def test_where_nothing_is_proven_the_page_claims_nothing(name):
    assert "Proven" not in page(name)
