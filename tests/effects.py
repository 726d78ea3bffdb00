"""A small federation on which effects show within seconds.

Another processor sums in another order, and what is chaotic ends elsewhere: a threshold leaves at
least three times the room that a figure moves by if the initial model is changed by a millionth.
"""

from statistics import mean

from fedrobust.simulate import simulate

DIGITS = {
    "rounds": 60,
    "clients": 20,
    "data": "digits",
    "partition": {"name": "dirichlet", "alpha": 1.0},
    "model": {"name": "mlp", "hidden": [32]},
    "training": {"epochs": 1, "batch_size": 16, "lr": 0.1},
    "evaluate_every": 60,
}


def late_accuracy(scenario, folder, rounds):
    """Run a scenario that evaluates each round; return the mean accuracy of the last rounds."""
    seen = []
    simulate(scenario, folder, watch=seen.append)
    return mean(progress.quality.accuracy for progress in seen[-rounds:])
