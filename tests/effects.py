"""A small federation on which effects show within seconds."""

DIGITS = {
    "rounds": 60,
    "clients": 20,
    "data": "digits",
    "partition": {"name": "dirichlet", "alpha": 1.0},
    "model": {"name": "mlp", "hidden": [32]},
    "training": {"epochs": 1, "batch_size": 16, "lr": 0.1},
    "evaluate_every": 60,
}
