"""The Flower server: a scenario's strategy, on whatever grid carries it."""

from collections.abc import Callable, Mapping

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from torch import Tensor

from fedrobust.core import metrics
from fedrobust.core.ledger import RoundLedger
from fedrobust.core.world import World
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import scenario_of
from fedrobust.flower.fault_grid import FaultGrid
from fedrobust.flower.records import Form, ModelRecord
from fedrobust.flower.strategy import RobustStrategy
from fedrobust.scenario import Scenario

__all__ = ["app", "serve", "strategy_of"]


def strategy_of(
    scenario: Scenario,
    world: World,
    *,
    on_round: Callable[[RoundLedger], None] | None = None,
) -> RobustStrategy:
    """Return a scenario's defense as a Flower strategy."""
    return RobustStrategy(
        scenario.rule,
        seed=scenario.seed,
        num_malicious=scenario.declared,
        root=world.root_data,
        on_round=on_round,
        fraction_train=scenario.sample,
        min_train_nodes=scenario.sampled,
        min_available_nodes=scenario.clients,
    )


def serve(
    grid: Grid,
    strategy: RobustStrategy,
    world: World,
    params: Tensor,
    num_rounds: int,
    after_round: Callable[[int, Tensor], Mapping[str, float] | None],
) -> Tensor:
    """Run rounds of a strategy and return the model ``[d]`` after the last.

    Args:
        grid: what carries the messages.
        strategy: the defense; its `rounds_done` count on from an earlier run.
        world: whose model it is.
        params: ``[d]`` the model to start from.
        num_rounds: how many rounds to run.
        after_round: called with each round's number and model; Flower logs what it returns.
    """
    record = ModelRecord(world.task.layout, params)
    form = Form.of(record)

    def evaluate(round: int, arrays: ArrayRecord) -> MetricRecord | None:
        # Flower evaluates before the first round too; that is the end of round `rounds_done`.
        if not round:
            return None
        measured = after_round(round + strategy.rounds_done, form.vector(arrays))
        return None if measured is None else MetricRecord(dict(measured))

    result = strategy.start(grid, record, num_rounds=num_rounds, evaluate_fn=evaluate)
    return form.vector(result.arrays) if len(result.arrays) else params


app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the scenario in the run config on a deployment; Flower logs each round's quality."""
    scenario = scenario_of(context)
    world = scenario.world()

    def measured(round: int, params: Tensor) -> Mapping[str, float]:
        figures = metrics.quality(world.task, params).figures()
        if (held := world.validated) is not None:
            model = params.to(held.data.x.device)
            figures["validation_accuracy"] = metrics.quality(held, model).accuracy
        return figures

    strategy = strategy_of(scenario, world)
    attacked = AdversaryGrid(
        grid, world.adversaries, world.seed, world=world, rehearse=strategy.rehearse
    )
    serve(
        FaultGrid(attacked, scenario.fault, scenario.seed),
        strategy,
        world,
        world.task.init(),
        scenario.rounds,
        measured,
    )
