"""What a study may not be, beyond what the types of its fields say."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from fedrobust.axes import is_joint, role, shown
from fedrobust.complaints import FieldErrors
from fedrobust.registry import suggestion

if TYPE_CHECKING:
    from fedrobust.study import Study

__all__ = ["check"]

_MEASURES = ("data", "partition", "validation")  # axes along which scores do not compare


def check(study: "Study") -> None:
    """Refuse to tune what cannot be tuned, and combinations of labels that no axis has.

    Raises:
        FieldErrors: with the key of what is wrong.
    """
    _check_axes(study)
    _check_tuned(study)
    for at, excluded in enumerate(study.exclude):
        for axis, labels in excluded.items():
            names = [labels] if isinstance(labels, str) else labels
            _check_labels(study, f"exclude.{at}", axis, names)
    for at, also in enumerate(study.also):
        for axis in also.labels:
            _check_labels(study, f"also.{at}.labels", axis, [])
        if missing := [axis for axis in study.axes if axis not in also.labels]:
            raise FieldErrors(f"also.{at}.labels: needs one for {' and '.join(missing)}, too.")


def _check_axes(study: "Study") -> None:
    """Refuse axes that a report would call the same, and joint ones that hide who is compared."""
    names: dict[str, str] = {}
    for axis, values in study.axes.items():
        if (other := names.setdefault(shown(axis), axis)) != axis:
            raise FieldErrors(
                f"axes: reports would call {other!r} and {axis!r} the same; give the latter "
                'another name, such as "scenario.size".'
            )
        for key in [key for value in values.values() for key in value] if is_joint(axis) else []:
            if role(key) != "setting":
                raise FieldErrors(
                    f"axes.{axis}: {key!r} is a {role(key)}, which a report compares along an axis "
                    f"of its own; move it to axes.{key.partition('.')[0]}."
                )


def _check_tuned(study: "Study") -> None:
    for axis in study.tune:
        _check_labels(study, "tune", axis, [])
        if role(axis) == "threat":
            raise FieldErrors(
                f"tune: names what the defender chooses, and {axis!r} is the threat; remove it."
            )
        if axis.partition(".")[0] in _MEASURES or is_joint(axis):
            raise FieldErrors(
                "tune: compares values on the same validation data, and those differ along "
                f"{axis!r}; remove it."
            )
    if len(set(study.tune)) == len(study.axes):
        raise FieldErrors(
            f"tune: needs an axis to compare beside those it names, and {list(study.tune)} are "
            'all; add one, such as "strategy".'
        )


def _check_labels(study: "Study", where: str, axis: str, names: Collection[str]) -> None:
    if axis not in study.axes:
        near = suggestion(axis, list(study.axes)) or f" Axes: {', '.join(study.axes)}."
        raise FieldErrors(f"{where}: no axis {axis!r}.{near}")
    known = list(study.axes[axis])
    for name in names:
        if name not in known:
            near = suggestion(name, known) or f" It has {', '.join(known)}."
            raise FieldErrors(f"{where}: no {name!r} on the axis {axis!r}.{near}")
