"""ONNX operators that reduce axes of a tensor, and those that are made of such."""

from compiler.graph import ArgMax

from .onnx_layer import maps_shape
from .onnx_operator import Operator
from .onnx_steps import Steps

__all__ = ["REDUCTION"]

#: Exponents of e below this change no 16-bit sum that has a term of 1.
_NEGLIGIBLE = -16.0


def _axes(layer, shape):
    """Return the axes that a layer reduces."""
    axes = layer.integers(1, "axes") if layer.has(1) else layer.attribute("axes", [])
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise layer.malformed(f"axes {axes} do not fit shape {list(shape)}")
    if axes or layer.attribute("noop_with_empty_axes", 0):
        return sorted({axis % len(shape) for axis in axes})
    return list(range(len(shape)))


def _reduction(compute):
    """Return the operator that ``compute`` makes: called as (steps, name, reduce)."""
    def handler(layer):
        shape = layer.shape()
        axes, keep = _axes(layer, shape), bool(layer.attribute("keepdims", 1))
        steps = Steps(layer)

        def reduce(name, kind="sum", keep=keep):
            if kind in ("mean", "norm"):
                return getattr(steps, kind)(name, axes, keep=keep)
            return steps.reduce(name, kind, axes, keep=keep)
        name = compute(steps, layer.inputs[0], reduce)
        layer.result(name, steps.shape(name))
    return Operator(handler, ("axes", "keepdims", "noop_with_empty_axes"), constants=(1,))


def _log_sum_exp(steps, name, reduce):
    """Return log(sum(exp(x))) with the largest number taken out, so that nothing overflows."""
    largest = reduce(name, "max", keep=True)
    sums = steps.function(reduce(_shifted_exp(steps, name, largest)), "log")
    return steps.join("add", sums, steps.reshape(largest, steps.shape(sums)))


def _shifted_exp(steps, name, largest):
    """Return exp(x - largest)."""
    below = steps.join("sub", name, largest)
    return steps.function(steps.limit(below, "max", _NEGLIGIBLE), "exp")


def _softmax(logarithm):
    def handler(layer):
        shape, steps = layer.shape(), Steps(layer)
        old = layer.importer.opset < 13
        axis = layer.axis(shape, 1 if old else -1)
        # Old operator sets take all axes from this one on together.
        axes = range(axis, len(shape)) if old else (axis,)
        name = layer.inputs[0]
        largest = steps.reduce(name, "max", axes)
        powers = _shifted_exp(steps, name, largest)
        sums = steps.reduce(powers, "sum", axes)
        if logarithm:
            below = steps.join("sub", name, largest)
            layer.result(steps.join("sub", below, steps.function(sums, "log")), shape)
        else:
            layer.result(steps.join("div", powers, sums), shape)
    return Operator(handler, ("axis",))


def _arg(sign):
    """Return ArgMax, or ArgMin for a sign of -1."""
    def handler(layer):
        shape, steps, name = layer.shape(), Steps(layer), layer.inputs[0]
        axis = layer.axis(shape, 0)
        count = shape[axis]
        if count > MOST_CHOICES:
            raise layer.fault(f"{count} numbers to choose from; supported are {MOST_CHOICES}")
        if sign < 0:
            name = steps.line(name, -1)
        keep = layer.attribute("keepdims", 1)
        made = [*shape[:axis], *([1] if keep else []), *shape[axis + 1:]]
        if layer.attribute("select_last_index", 0):
            # The first of equals when they are counted from the end.
            backwards = [None] * len(shape)
            backwards[axis] = range(count)[::-1]
            name = steps.reduce(steps.gather(name, backwards), "argmax", [axis], keep=keep)
            layer.result(steps.function(name, "count_down", count - 1), made)
        elif axis == 1 and shape[0] == 1 and maps_shape(shape)[0] == count:
            sides = maps_shape(shape)[1:]
            layer.emit(ArgMax, made, [layer.reshaped(name, (count, *sides))], (1, *sides))
        else:
            name = steps.reduce(name, "argmax", [axis], keep=keep)
            layer.result(name, made)
        layer.importer.integers[layer.outputs[0]] = (
            "an ArgMax", "an ArgMax that is an output of the network and that no layer reads")
    return Operator(handler, ("axis", "keepdims", "select_last_index"))


#: Samples that an ArgMax can number: 0 to the largest sample.
MOST_CHOICES = 1 << 15

#: Reductions.
REDUCTION = {
    "ArgMax": _arg(1),
    "ArgMin": _arg(-1),
    "LogSoftmax": _softmax(logarithm=True),
    "ReduceL1": _reduction(lambda steps, x, reduce: reduce(steps.function(x, "abs"))),
    "ReduceL2": _reduction(lambda steps, x, reduce: reduce(x, "norm")),
    "ReduceLogSum": _reduction(lambda steps, x, reduce: steps.function(reduce(x), "log")),
    "ReduceLogSumExp": _reduction(_log_sum_exp),
    "ReduceMax": _reduction(lambda steps, x, reduce: reduce(x, "max")),
    "ReduceMean": _reduction(lambda steps, x, reduce: reduce(x, "mean")),
    "ReduceMin": _reduction(lambda steps, x, reduce: reduce(x, "min")),
    "ReduceSum": _reduction(lambda steps, x, reduce: reduce(x)),
    "ReduceSumSquare": _reduction(lambda steps, x, reduce: reduce(steps.square(x))),
    "Softmax": _softmax(logarithm=False),
}
