"""What every mishap must keep, whoever wrote it: a new file needs no line here."""

import re
from copy import deepcopy
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import pytest
import torch

from fedrobust import registry
from fedrobust.core import seeds
from fedrobust.core.mishap import Mishap, Transit
from fedrobust.core.seeds import Purpose
from fedrobust.results import checkpoint
from tests.components import same

# name: fields with which much happens in few rounds
LIVELY = {
    "bit_corruption": [{"probability": 0.02}],
    "drop_out": [{"probability": 0.4}, {"probability": 0.3, "recovery": 0.4, "share": 0.8}],
    "duplicated_reply": [{"probability": 0.4}],
    "straggler": [{"deadline": 1.0}, {"deadline": 1.0, "stale": 3, "variety": 0.3}],
}
FILES = registry.builtin("faults")
MISHAPS = [
    pytest.param(registry.find("faults", name)(**fields), id=f"{name}-{i}")
    for name in FILES
    for i, fields in enumerate(LIVELY.get(name, [{}]))
]
ROUNDS = range(1, 9)


def updates_of(clients, round):
    generator = torch.Generator().manual_seed(round)
    everybody = torch.randn(12, 30, generator=generator)
    return {client: everybody[client].clone() for client in clients}


def play(mishap, clients, seed=0):
    state, outcomes = mishap.init(), []
    for round in ROUNDS:
        outcomes.append(mishap.befall(Transit(round, updates_of(clients, round), seed), state))
        state = outcomes[-1].state
    return outcomes


def told(outcome, clients):
    """Return what an outcome says of some clients, the bits of numbers that are none included."""
    fates = {
        c: (f.reason, f.copies, None if f.update is None else f.update.view(torch.int32).tolist())
        for c, f in outcome.fates.items()
        if c in clients
    }
    return fates, {c: s for c, s in outcome.seconds.items() if c in clients}


def test_there_are_mishaps():
    assert len(FILES) >= 4
    assert set(LIVELY) <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_one_mishap_that_has_its_name_and_says_what_it_is(name):
    module = import_module(f"fedrobust.faults.{name}")

    (public,) = module.__all__
    mishap = getattr(module, public)

    assert issubclass(mishap, Mishap)
    assert public.lower() == name.replace("_", "")
    assert mishap.reference() == name
    assert mishap() == mishap(**{k: v for k, v in mishap().model_dump().items() if k != "name"})
    assert len(Path(module.__file__).read_text().splitlines()) <= 150
    assert re.search(r"https://(arxiv|doi)\.org/|needs no citation", module.__doc__)
    for field in mishap.model_fields:
        assert re.search(rf"^    {field}: ", getdoc(mishap), re.MULTILINE), field


@pytest.mark.parametrize("mishap", MISHAPS)
def test_something_happens_and_not_to_everyone(mishap):
    happened = [len(outcome.fates) for outcome in play(mishap, range(12))]

    assert 0 < sum(happened) < 12 * len(ROUNDS)


@pytest.mark.parametrize("mishap", MISHAPS)
def test_neither_order_nor_company_changes_what_befalls_a_client(mishap):
    few = [9, 2, 5]

    alone, together = play(mishap, few), play(mishap, range(12))

    for one, all_ in zip(alone, together, strict=True):
        assert told(one, few) == told(all_, few)


@pytest.mark.parametrize("mishap", MISHAPS)
def test_another_seed_is_another_run_and_rounds_differ(mishap):
    runs = [[told(o, range(12)) for o in play(mishap, range(12), seed)] for seed in (0, 1)]

    assert runs[0] != runs[1]
    assert any(outcome != runs[0][0] for outcome in runs[0])


@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_mishap_is_pure(mishap):
    state = play(mishap, range(12))[-1].state
    updates, before = updates_of(range(12), 9), deepcopy(state)

    once = mishap.befall(Transit(9, updates, 0), state)
    again = mishap.befall(Transit(9, updates_of(range(12), 9), 0), state)

    assert told(once, range(12)) == told(again, range(12))
    assert same(once.state, again.state)
    assert same(state, before)
    assert same(updates, updates_of(range(12), 9))
    assert vars(mishap).keys() == type(mishap).model_fields.keys()


@pytest.mark.parametrize("mishap", MISHAPS)
def test_its_state_can_be_saved(mishap, tmp_path):
    state = play(mishap, range(12))[-1].state

    checkpoint.save(tmp_path / "state.pt", {"of": state})

    assert same(checkpoint.load(tmp_path / "state.pt")["of"], state)


@pytest.mark.parametrize("mishap", MISHAPS)
def test_nobody_on_the_way_is_nobody_befallen(mishap):
    assert not mishap.befall(Transit(1, {}, 0), mishap.init()).fates


def test_chance_is_that_of_the_seed_the_round_and_the_client():
    transit = Transit(3, {}, seed=7)

    drawn = torch.rand(4, generator=transit.generator(5))

    assert drawn.equal(torch.rand(4, generator=seeds.generator(7, Purpose.FAULT, 3, 5)))
    assert drawn.equal(torch.rand(4, generator=Transit(8, {}, 7).generator(5, round=3)))
    assert not drawn.equal(torch.rand(4, generator=transit.generator(5, round=0)))


def test_what_is_certain_happens_and_what_is_impossible_does_not():
    transit = Transit(1, {}, 0)

    assert all(transit.happens(client, 1.0) for client in range(50))
    assert not any(transit.happens(client, 0.0) for client in range(50))
