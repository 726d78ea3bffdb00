from collections import Counter

import pytest
import torch

from fedrobust.core.mishap import Transit


@pytest.fixture(scope="session")
def played():
    """Return a function that lets a mishap befall rounds, and returns what came of each.

    `asked` says which clients take part: all of so many, or by round.
    """

    def play(mishap, asked=20, rounds=30, d=3, seed=0, first=1):
        state, outcomes = mishap.init(), {}
        for round in range(first, first + rounds):
            who = asked(round) if callable(asked) else range(asked)
            updates = {client: torch.full((d,), float(100 * round + client)) for client in who}
            outcomes[round] = mishap.befall(Transit(round, updates, seed), state)
            state = outcomes[round].state
        return outcomes

    return play


@pytest.fixture(scope="session")
def befallen():
    """Return a function that says in how many rounds each client met with something."""

    def count(outcomes):
        return Counter(client for out in outcomes.values() for client in out.fates)

    return count
