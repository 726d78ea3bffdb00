"""The Flower client: the one training loop, for one client or for a whole cohort."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedrobust.core.cohort import Memories, losses_of, train_cohort
from fedrobust.core.engine import Engine
from fedrobust.core.world import World
from fedrobust.errors import ConfigError
from fedrobust.flower.exchange import Broadcast, CohortReplies
from fedrobust.flower.records import Form, ModelRecord, from_tensors, refill, to_tensors
from fedrobust.flower.roster import IDENTIFY, PARTITION
from fedrobust.overrides import parsed
from fedrobust.scenario import Scenario

__all__ = ["SCENARIO", "FedRobustApp", "app", "built_world", "scenario_of"]

SCENARIO = "scenario"  # where the run config holds a scenario, as TOML
_MEMORY = "memory-"


class FedRobustApp(ClientApp):
    """Trains the clients of a world.

    Args:
        world: returns the world for a client's context; it is called once a message, so it
            should remember what it built.
    """

    def __init__(self, world: Callable[[Context], World]) -> None:
        super().__init__()
        self._world = world
        self.train()(self._train)
        self.query(IDENTIFY)(self._identify)

    def train_many(
        self, messages: Sequence[Message], contexts: Sequence[Context]
    ) -> Sequence[Message]:
        """Train the receivers of `messages` together; replies are rows of one matrix."""
        world = self._world(contexts[0])
        layout = world.task.layout
        form = Form.of(ModelRecord(layout, world.task.init()))
        contents = _contents(messages)
        records = [content["arrays"] for content in contents]
        vectors = {id(record): _model(record, form) for record in _distinct(records)}
        starts = [vectors[id(record)] for record in records]
        who = [int(context.node_config[PARTITION]) for context in contexts]
        start = starts[0] if len(vectors) == 1 else torch.stack(starts)
        updates, changed = train_cohort(
            world,
            start,
            who,
            [_memories(context) for context in contexts],
            _round(contents[0]),
        )
        everyone = len(who) == world.federation.num_clients
        for context, memory in zip(contexts, changed, strict=True):
            _keep(context, memory, share=everyone)
        return CohortReplies(
            messages,
            [context.node_id for context in contexts],
            layout,
            starts,
            updates,
            [world.federation.sizes[client] for client in who],
            losses_of(world, start, who) if world.tells_losses else None,
        )

    def _train(self, message: Message, context: Context) -> Message:
        return self.train_many([message], [context])[0]

    def _identify(self, message: Message, context: Context) -> Message:
        identity = MetricRecord({PARTITION: int(context.node_config[PARTITION])})
        return Message(RecordDict({"identity": identity}), reply_to=message)


def scenario_of(context: Context) -> Scenario:
    """Return the scenario in a context's run config; ConfigError if there is none."""
    text = context.run_config.get(SCENARIO)
    if not isinstance(text, str):
        raise ConfigError(
            f"The run config needs {SCENARIO!r}, a scenario as TOML text, not {text!r}."
        )
    return _parsed(text)


@lru_cache(maxsize=4)
def _parsed(text: str) -> Scenario:
    return Scenario.parse(parsed(text))


@lru_cache(maxsize=4)
def built_world(scenario_text: str, attacks_allowed: bool) -> World:
    """Return the world of a scenario in TOML, built once in each process.

    Raises:
        ConfigError: if the scenario has adversaries and attacks are not allowed here.
    """
    scenario = _parsed(scenario_text)
    world = scenario.model_copy(update={"engine": Engine()}).world()  # a node computes as it likes
    if world.adversaries and not attacks_allowed:
        raise ConfigError(
            "This scenario has adversaries, and this node does not allow attacks. Its operator "
            "can: flower-supernode --node-config 'allow-attack=true'."
        )
    return world


def _deployed_world(context: Context) -> World:
    """Return the world of a deployed node, on which attacks run only if its operator agrees."""
    scenario_of(context)
    allowed = context.node_config.get("allow-attack") is True
    return built_world(str(context.run_config[SCENARIO]), allowed)


def _contents(messages: Sequence[Message]) -> list[RecordDict]:
    if isinstance(messages, Broadcast) and messages.untouched:
        return [messages.content] * len(messages)
    return [message.content for message in messages]


def _distinct(records: Sequence[object]) -> list[object]:
    return list({id(record): record for record in records}.values())


def _model(record: object, form: Form) -> torch.Tensor:
    if not isinstance(record, ArrayRecord) or form.fault(record):
        raise ConfigError(
            "The server's model has other arrays than this scenario's; run the same scenario and "
            "version of fedrobust on both sides."
        )
    return form.vector(record)


def _round(content: RecordDict) -> int:
    config = content.get("config")
    number = config.get("server-round") if isinstance(config, ConfigRecord) else None
    if not isinstance(number, int):
        raise ConfigError(
            "A train message needs the round's number as config['server-round'], which decides "
            f"what clients draw, not {number!r}; Flower's strategies send it."
        )
    return number


def _memories(context: Context) -> Memories:
    return {
        key.removeprefix(_MEMORY): to_tensors(record)
        for key, record in context.state.items()
        if key.startswith(_MEMORY) and isinstance(record, ArrayRecord)
    }


def _keep(context: Context, memories: Memories, *, share: bool) -> None:
    """Store memories; rows of the whole cohort's matrix are shared, rows of a part are copied.

    A row keeps its matrix alive: when only some clients train in a round, old matrices would pile
    up behind the clients that have not trained since.
    """
    for layer, memory in memories.items():
        kept = memory if share else {name: tensor.clone() for name, tensor in memory.items()}
        record = context.state.get(_MEMORY + layer)
        if not (isinstance(record, ArrayRecord) and refill(record, kept)):
            context.state[_MEMORY + layer] = from_tensors(kept)


app = FedRobustApp(_deployed_world)
