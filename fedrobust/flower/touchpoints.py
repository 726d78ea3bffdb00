"""The few places where fedrobust relies on what Flower does not promise (flwr 1.41).

Everything else in `fedrobust.flower` imports from `flwr.app`, `flwr.clientapp` and
`flwr.serverapp`.  Each function here has a test that fails when Flower changes beneath it.
"""

from flwr.app import Array, ArrayRecord, Error, Message
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode, SType
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

__all__ = [
    "NUMPY",
    "SUPERLINK",
    "Run",
    "adopt_identity",
    "empty_run",
    "error_reply",
    "is_untouched",
    "name_message",
    "put_array",
]

NUMPY: str = SType.NUMPY
SUPERLINK: int = SUPERLINK_NODE_ID


def adopt_identity(run_id: int) -> None:
    """Make this process the server of a run: Flower builds no message without an identity.

    Grids that live in one process take turns; each calls this before its messages are built.
    """
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = run_id, SUPERLINK, 1


def empty_run(run_id: int) -> Run:
    """Return the description of a run that no SuperLink knows."""
    return Run.create_empty(run_id)


def name_message(message: Message, message_id: str) -> None:
    """Give a message its id, which is for the grid to choose."""
    message.metadata.__dict__["_message_id"] = message_id


def error_reply(message: Message, reason: str) -> Message:
    """Return what a SuperNode answers when its ClientApp raises an exception."""
    return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason), reply_to=message)


def put_array(record: ArrayRecord, name: str, array: Array) -> None:
    """Put an array into a record as it is, where `ArrayRecord({...})` would serialise it."""
    record.__dict__["_data"][name] = array


def is_untouched(record: ArrayRecord, arrays: dict[str, Array]) -> bool:
    """Say whether a record still holds the very arrays that were put into it."""
    held: dict[str, Array] = record.__dict__["_data"]
    return held.keys() == arrays.keys() and all(held[name] is arrays[name] for name in arrays)
