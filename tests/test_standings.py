"""What a person sees of clients' reputations while a run goes on."""

from io import StringIO

import pytest
from rich.console import Console

from fedrobust.core.ledger import Entry, RoundLedger
from fedrobust.scenario import Scenario
from fedrobust.screen import Screen
from fedrobust.simulate import Progress, simulate
from fedrobust.standings import Standings

RFFL = {
    "data": "digits",
    "rounds": 8,
    "clients": 6,
    "partition": {"name": "iid", "examples": 60, "extra_clients": 2},
    "model": {"name": "mlp", "hidden": [32]},
    "training": {"epochs": 2, "batch_size": 16, "lr": 0.2},
    "strategy": [{"name": "reputation", "max_norm": 0.2, "warm_up": 3, "memory": 0.5}],
    "adversary": [{"attack": {"name": "random_weights", "bound": 1.0}, "clients": [4, 5]}],
}


def scenario(clients=6, malicious=(4, 5)):
    adversary = [{"attack": "random_weights", "clients": list(malicious)}]
    return Scenario.parse({**RFFL, "clients": clients, "adversary": adversary})


def reached(number, scores, quotas=True):
    largest = max(scores.values())
    entries = [
        Entry(c, c, score=s, quota=s / largest if quotas else None) for c, s in scores.items()
    ]
    return Progress(number, 8, None, None, RoundLedger(number, entries), 0.5)


def seen(standings, height=40):
    console = Console(file=StringIO(), width=100, height=height)
    console.print(standings)
    return console.file.getvalue().splitlines()


def equal(clients, zero=()):
    rest = 1 / (clients - len(zero))
    return {client: 0.0 if client in zero else rest for client in range(clients)}


def test_a_table_has_the_truth_the_reputation_and_the_reward_of_each_client():
    standings = Standings(scenario())
    standings.take(reached(4, {0: 0.4, 1: 0.2, 2: 0.2, 3: 0.1, 4: 0.1, 5: 0.0}))

    head, *rows = seen(standings)

    assert head.split() == ["client", "role", "reputation", "share", "reward"]
    assert rows[0].split() == ["0", "honest", "█" * 24, "40.0%", "100%"]
    assert rows[1].split() == ["1", "honest", "█" * 12, "20.0%", "50%"]
    assert rows[4].split() == ["4", "random_weights", "█" * 6, "10.0%", "25%"]
    assert rows[5].split() == ["5", "random_weights", "0.0%", "0%", "removed", "in", "round", "4"]


def test_a_rule_without_rewards_has_none():
    standings = Standings(scenario())
    standings.take(reached(1, equal(6), quotas=False))

    assert seen(standings)[1].split()[-1] == "-"


def test_before_the_first_round_there_is_no_table():
    standings = Standings(scenario())

    assert seen(standings) == []
    assert standings.ranges() == ""


def test_of_many_clients_the_removed_and_the_malicious_come_first():
    standings = Standings(scenario(40, malicious=[38, 39]))
    standings.take(reached(4, equal(40, zero=[30, 39])))

    _, *rows, last = seen(standings)

    shown = [int(row.split()[0]) for row in rows]
    assert shown == [*range(21), 30, 38, 39]
    assert last == "16 more clients are not shown."
    assert len(seen(standings, height=12)) == 8


def test_a_client_who_is_not_asked_keeps_its_line_and_a_removed_one_its_round():
    standings = Standings(scenario())
    standings.take(reached(4, equal(6, zero=[5])))

    told = standings.take(reached(5, {0: 0.5, 5: 0.0}))

    assert told == []
    assert len(seen(standings)) == 7
    assert seen(standings)[-1].endswith("removed in round 4")


def test_whoever_recovers_was_not_removed():
    standings = Standings(scenario())
    early = standings.take(reached(3, equal(6, zero=[3, 5])))
    gone = standings.take(reached(4, equal(6, zero=[3, 5])))
    back = standings.take(reached(5, equal(6, zero=[5])))

    assert early == []  # in its warm-up nobody is removed, however low
    assert gone == [
        "round 4: client 3 (honest) removed",
        "round 4: client 5 (random_weights) removed",
    ]
    assert back == ["round 5: client 3 (honest) counts again"]
    assert seen(standings)[4].split()[-1] == "100%"


@pytest.mark.parametrize(
    ("clients", "said"),
    [
        (6, "reputation honest 25%, malicious 0%"),
        (400, "reputation honest 0.3%, malicious 0.0%"),
    ],
)
def test_ranges_have_as_many_digits_as_tell_shares_apart(clients, said):
    standings = Standings(scenario(clients))

    standings.take(reached(1, equal(clients, zero=[4, 5])))

    assert standings.ranges() == said


def test_where_nothing_is_redrawn_a_removal_is_a_line_at_once():
    console = Console(file=StringIO(), width=150)
    screen = Screen(console, "RFFL", 8, Standings(scenario()))

    with screen.live():
        for number in range(1, 9):
            screen.show(reached(number, equal(6, zero=[4, 5] if number > 3 else [])))

    lines = console.file.getvalue().splitlines()
    assert lines[1:3] == [
        "RFFL: round 4: client 4 (random_weights) removed",
        "RFFL: round 4: client 5 (random_weights) removed",
    ]
    assert "reputation honest 17%, malicious 17%" in lines[0]
    assert lines[-1].endswith("reputation honest 25%, malicious 0%")
    assert len(lines) == 4


def test_a_terminal_has_the_table_below_the_bar():
    console = Console(file=StringIO(), width=100, height=30, force_terminal=True)
    screen = Screen(console, "RFFL", 8, Standings(scenario()))

    with screen.live():
        for number in range(1, 9):
            screen.show(reached(number, equal(6, zero=[5])))

    shown = console.file.getvalue()
    assert shown.rindex("8/8") < shown.rindex("removed in round 4")


def test_a_run_that_goes_on_does_not_announce_old_removals_again(tmp_path):
    told = {"first": [], "then": []}

    def watching(name, stop):
        standings = Standings(Scenario.parse(RFFL))

        def watch(progress):
            told[name] += standings.take(progress)
            if progress.round == stop:
                raise KeyboardInterrupt

        return watch

    with pytest.raises(KeyboardInterrupt):
        simulate(Scenario.parse(RFFL), tmp_path, watch=watching("first", 6))
    simulate(Scenario.parse(RFFL), tmp_path, resume=True, watch=watching("then", None))

    assert [line.split(": ")[1] for line in told["first"]] == [
        "client 4 (random_weights) removed",
        "client 5 (random_weights) removed",
    ]
    assert told["then"] == []
