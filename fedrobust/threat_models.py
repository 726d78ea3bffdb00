"""What each attack assumes and does, read from the hooks that it overrides."""

from fedrobust.core.adversary import Attack
from fedrobust.core.backdoor import Backdoor

__all__ = ["FAMILIES", "FREE_RIDERS", "family", "threat_model"]

FREE_RIDERS = "free-riders"
FAMILIES = (
    "on what is sent",
    "backdoors",
    "on training",
    FREE_RIDERS,
    "on what another attack makes",
)
_SEES = {
    "own": "each client sees its own update",
    "colluding": "it sees the updates of its clients",
    "omniscient": "it sees every update",
    "rule": "it sees every update, and what the server would make of any",
}


def family(attack: type[Attack]) -> str:
    """Return the family that an attack belongs to."""
    if issubclass(attack, Backdoor):
        return "backdoors"
    if attack.composes:
        return "on what another attack makes"
    if not attack.trains or _overrides(attack, "claims"):
        return FREE_RIDERS
    return "on what is sent" if _overrides(attack, "craft", "submit") else "on training"


def threat_model(attack: type[Attack]) -> str:
    """Return what an attack changes, sees and wants, in a line."""
    changes = [
        what
        for what, hooks in {
            "the examples its clients learn from": ("batch",),
            "how they learn": ("criterion", "loss", "gradient", "step"),
            "what they send": ("craft", "submit"),
            "how many examples they claim": ("claims",),
        }.items()
        if _overrides(attack, *hooks)
    ]
    acts = " and ".join(changes) or "nothing"
    alone = "" if attack.trains else ", without training"
    goal = "; it has a goal of its own" if _overrides(attack, "goal") else ""
    knowledge = attack.default_knowledge
    return f"changes {acts}{alone}; {_SEES[knowledge]} (`{knowledge}`){goal}"


def _overrides(attack: type[Attack], *hooks: str) -> bool:
    return any(getattr(attack, hook) is not getattr(Attack, hook) for hook in hooks)
