"""ByzFL 0.0.11: its rules, its federated averaging and its distributed SGD."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import tasks

try:
    import torchvision  # noqa: F401
except RuntimeError:
    # A torchvision built for graphics cards cannot load its operators beside a CPU build of
    # PyTorch, and refuses to be imported without them.  ByzFL's rules never call them.
    _operators = torch.library.Library("torchvision", "DEF")
    for _kind in ("nms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d"):
        for _name in (_kind, f"_{_kind}_backward", f"q{_kind}"):
            _operators.define(f"{_name}(Tensor x) -> Tensor")

import byzfl

torch.set_num_threads(1)

RULES = {
    "median": lambda f: byzfl.Median(),
    "trimmed_mean": byzfl.TrMean,
    "krum": byzfl.Krum,
    "multi_krum": byzfl.MultiKrum,
    "geometric_median": lambda f: byzfl.GeometricMedian(),
    "nnm": byzfl.NNM,
    "mda": byzfl.MDA,
    "smea": byzfl.SMEA,
    "centered_clipping": lambda f, radius, iterations: byzfl.CenteredClipping(
        L=iterations, tau=radius
    ),
    "meamed": byzfl.Meamed,
}


def rule(
    name: str, n: int, d: int, f: int, by: str = "torch", fields: Mapping[str, Any] | None = None
) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """One of its rules on n updates, new ones each run."""
    torch.manual_seed(0)
    made, matrix = RULES[name](f=f, **(fields or {})), tasks.updates(n, d, f)
    return (matrix.numpy().copy if by == "numpy" else matrix.clone), made


def _server(rule: str, before: list[str], f: int, lr: float, test: Any) -> byzfl.Server:
    return byzfl.Server(
        {
            **_settings(lr),
            "test_loader": DataLoader(TensorDataset(*test), batch_size=500),
            "aggregator_info": {"name": rule, "parameters": {"f": f}},
            "pre_agg_list": [{"name": name, "parameters": {"f": f}} for name in before],
        }
    )


def _settings(lr: float) -> dict[str, Any]:
    return {
        "model_name": "fc_mnist",
        "device": "cpu",
        "optimizer_name": "SGD",
        "learning_rate": lr,
        "weight_decay": 0.0,
        "milestones": [10**9],
        "learning_rate_decay": 1.0,
    }


def _clients(x: Any, y: Any, lr: float, momentum: float) -> list[byzfl.Client]:
    return [
        byzfl.Client(
            {
                **_settings(lr),
                "loss_name": "NLLLoss",
                "LabelFlipping": False,
                "nb_labels": tasks.CLASSES,
                "momentum": momentum,
                "store_per_client_metrics": False,
                "training_dataloader": DataLoader(TensorDataset(*own), batch_size=20, shuffle=True),
            }
        )
        for own in zip(x, y, strict=True)
    ]


def images_fedavg(clients: int, sampled: int) -> Callable[..., Any]:
    """FedAvg on images: one epoch of 100 examples, batches of 20; each run starts anew."""
    x, y, *test = tasks.images(clients, 100)

    def run(number: int) -> float:
        torch.manual_seed(0)
        server, everyone = _server("Average", [], 0, 0.05, test), _clients(x, y, 0.05, 0.0)
        for _ in range(number):
            chosen = [everyone[i] for i in torch.randperm(clients)[:sampled].tolist()]
            params = server.get_dict_parameters()
            for client in chosen:
                client.set_model_state(params)
                client.compute_model_update(5)
            server.update_model_with_weights([c.get_flat_parameters() for c in chosen])
        return server.compute_test_accuracy()

    return run


def images_dsgd(clients: int, byzantine: int, rule: str, before: list[str]) -> Callable[..., Any]:
    """Distributed SGD with momentum under sign flipping; each run starts anew."""
    x, y, *test = tasks.images(clients, 400)
    x, y = x[: clients - byzantine], y[: clients - byzantine]

    def run(number: int) -> float:
        torch.manual_seed(0)
        server, honest = _server(rule, before, byzantine, 0.2, test), _clients(x, y, 0.2, 0.9)
        attack = {"name": "SignFlipping", "f": byzantine, "parameters": {}}
        hostile = byzfl.ByzantineClient(attack)
        for _ in range(number):
            params = server.get_dict_parameters()
            for client in honest:
                client.set_model_state(params)
                client.compute_gradients()
            sent = [client.get_flat_gradients_with_momentum() for client in honest]
            server.update_model_with_gradients(sent + hostile.apply_attack(sent))
        return server.compute_test_accuracy()

    return run
