"""How kernels are compiled, and what they say to LLVM past numba: unchecked memory, a network.

numba checks the sign of every index and counts the references to every slice.  The first keeps
LLVM from vectorizing a loop, the second costs more than a short loop itself: with slices, pairwise
distances take twice as long.  Nothing is checked here; the caller answers for each index.

Who changes this file or `networks`: delete fedrobust/kernels/__pycache__ after that.  numba keeps
compiled code until the file of the kernel itself changes.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import config, extending, njit, types

from fedrobust.kernels.networks import sorting

__all__ = ["exchange", "kernel", "load", "prefetch", "ranked_sum", "store"]

if getattr(config, "DISABLE_JIT", False):
    raise ImportError("NUMBA_DISABLE_JIT is set")

_DOUBLE = ir.DoubleType()
_Decorator = Callable[[Callable[..., Any]], Any]

intrinsic = cast(_Decorator, extending.intrinsic)  # its own type counts `typing` as an argument


def kernel(*, reorder: bool = False) -> _Decorator:
    """Return a decorator that compiles a function at its first call and keeps the code on disk.

    `reorder` lets sums be taken in any order, which is what vectorizes them; NaN and infinity keep
    their meaning, because admission looks for them.
    """
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    settings["fastmath"] = {"reassoc", "contract"} if reorder else False

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **settings)(function)
        except RuntimeError:  # no folder can be written to: every process compiles anew
            return njit(**settings)(function)

    return compiled


@intrinsic
def load(typing: Any, values: Any, index: Any) -> Any:
    """Return one element of a one-dimensional array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *arguments))

    return values.dtype(values, index), emit


@intrinsic
def store(typing: Any, values: Any, index: Any, value: Any) -> Any:
    """Overwrite one element of a one-dimensional array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        builder.store(value, _address(context, builder, signature.args[0], array, index))
        return context.get_dummy_value()

    return types.void(values, index, values.dtype), emit


@intrinsic
def prefetch(typing: Any, values: Any, index: Any) -> Any:
    """Bring an element, which may lie behind the end of the array, closer to the processor."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        array, index = arguments
        address = _address(context, builder, signature.args[0], array, index, inside=False)
        to_read_soon = [number(flag) for flag in (0, 3, 1)]
        builder.call(function, [builder.bitcast(address, pointer), *to_read_soon])
        return context.get_dummy_value()

    return types.void(values, index), emit


@intrinsic
def ranked_sum(typing: Any, rows: Any, column: Any, low: Any, high: Any) -> Any:
    """Return the sum of the values of rank `low` to `high` - 1 in one column of a tuple of rows.

    The values are sorted in registers and added in float64.  Compiled once for each number of
    rows: the ranks are known only when it runs.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, column, low, high = arguments
        kind = signature.args[0]
        arrays = [builder.extract_value(rows, row) for row in range(kind.count)]
        values = [
            builder.load(_address(context, builder, kind.dtype, array, column)) for array in arrays
        ]
        for i, j in sorting(len(values)):
            values[i], values[j] = (
                _extreme(builder, name, values[i], values[j]) for name in ("minnum", "maxnum")
            )
        total, nothing = _DOUBLE(0.0), ir.FloatType()(0.0)
        for rank, value in enumerate(values):
            wanted = builder.and_(
                builder.icmp_signed(">=", low.type(rank), low),
                builder.icmp_signed("<", high.type(rank), high),
            )
            part = builder.select(wanted, value, nothing)  # not a product: 0 * inf is no number
            total = builder.fadd(total, builder.fpext(part, _DOUBLE))
        return total

    return types.float64(rows, column, low, high), emit


@intrinsic
def _lower(typing: Any, one: Any, other: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _extreme(builder, "minnum", *arguments)

    return types.float32(types.float32, types.float32), emit


@intrinsic
def _upper(typing: Any, one: Any, other: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _extreme(builder, "maxnum", *arguments)

    return types.float32(types.float32, types.float32), emit


@kernel()
def exchange(one: float, other: float) -> tuple[float, float]:
    """Return the smaller and the larger of two numbers."""
    return _lower(one, other), _upper(one, other)


def _extreme(builder: Any, name: str, one: Any, other: Any) -> Any:
    # As a comparison and a choice it would end in masked stores, which the next load waits for.
    kind = ir.FunctionType(one.type, [one.type, one.type])
    function = builder.module.declare_intrinsic(f"llvm.{name}", [one.type], kind)
    return builder.call(function, [one, other], fastmath=("nnan", "nsz"))


def _address(
    context: Any, builder: Any, kind: Any, array: Any, index: Any, inside: bool = True
) -> Any:
    start = context.make_array(kind)(context, builder, array).data
    return builder.gep(start, [index], inbounds=inside)  # in bounds, or loops do not vectorize
