"""A backdoor that changes no label.

Turner, Tsipras and Madry, "Label-Consistent Backdoor Attacks", 2019,
https://arxiv.org/abs/1912.02771; with a sinusoid for a trigger, Barni, Kallas and Tondi, "A New
Backdoor Attack in CNNs by Training Set Corruption Without Label Poisoning", ICIP 2019,
https://arxiv.org/abs/1902.11237.
"""

from typing import Self, cast

import torch
from pydantic import Field, SerializeAsAny, model_validator
from torch import Tensor

from fedrobust.attacks.patch_backdoor import PatchBackdoor
from fedrobust.core.adversary import Attack
from fedrobust.core.backdoor import Backdoor

__all__ = ["CleanLabelBackdoor"]


class CleanLabelBackdoor(Backdoor):
    """Teach a trigger on examples that are of the target class anyway.

    Who looks at the data finds no wrong label, and accuracy does not suffer.  It is the slowest of
    the backdoors: few examples are of the target, and those are told by their shapes, which leaves
    the trigger little to explain.  A stronger trigger helps, and so does `perturb`: with neither,
    two fifths of the clients reach little against the mean.  What it does reach it reaches under
    Multi-Krum, FLAME, FoolsGold, the geometric and the coordinate median, too, because the updates
    are nearly honest; Krum withstands it or not as chance has it.  None of the rules that
    we tried does; what helps is a smaller share of malicious clients.

    Our choice: natural shapes are weakened by mixing an example with the one before it in its
    batch.  It stands for the papers' interpolation between classes by a generative model, and for
    their adversarial noise.  Above a half, the picture shows the other example more than its own.

    Success is how many test examples of other classes, with the trigger and not mixed, the model
    takes for the target.

    Fields:
        target: the class to mistake inputs with the trigger for.
        poison_share: which part of the examples of the target class in each batch is stamped: the
            first, rounded up.
        trigger: the backdoor whose trigger is stamped; its own target and share do not count.
        perturb: how much of a stamped example is first made that of the one before it; 0 for
            nothing.
    """

    poison_share: float = Field(1.0, gt=0, le=1)
    trigger: SerializeAsAny[Attack] = PatchBackdoor()
    perturb: float = Field(0.7, ge=0, le=1)

    @model_validator(mode="after")
    def _stamps(self) -> Self:
        if getattr(type(self.trigger), "eligible", None) is not Backdoor.eligible:
            raise ValueError(
                f"trigger needs a backdoor that marks any input, such as patch_backdoor, not "
                f"{self.trigger.reference()}."
            )
        return self

    @property
    def _marks(self) -> Backdoor:
        return cast(Backdoor, self.trigger)

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        fitted = self.trigger.for_task(num_classes, input_shape)
        return super().for_task(num_classes, input_shape).model_copy(update={"trigger": fitted})

    def for_client(self, place: int, of: int) -> "CleanLabelBackdoor":
        return self.model_copy(update={"trigger": self.trigger.for_client(place, of)})

    def triggered(self, x: Tensor) -> Tensor:
        before = torch.cat([x[:1], x[:-1]])
        return self._marks.triggered(torch.lerp(x, before, self.perturb))

    def shown(self, x: Tensor) -> Tensor:
        return self._marks.shown(x)

    def eligible(self, x: Tensor, y: Tensor) -> Tensor:
        return y == self.target
