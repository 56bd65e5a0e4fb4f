"""Real values in, 16-bit samples out, and back: what users give and what machines take."""

import numpy as np

__all__ = ["InputError", "dequantise", "join_outputs", "quantise", "split_inputs"]


class InputError(ValueError):
    """An input that does not fit the network; the message says what would."""


def quantise(values, fraction):
    """Return sat(floor(x * 2**fraction + 1/2)) as int16.

    Parameters
    ----------
    values : numpy.ndarray
        Finite real values.
    fraction : int
        Bits behind the binary point.
    """
    # ldexp is exact in float64, and saturating first keeps the conversion in range.
    scaled = np.ldexp(np.asarray(values, np.float64), fraction)
    return np.floor(np.clip(scaled, -40000, 40000) + 0.5).clip(-32768, 32767).astype(np.int16)


def dequantise(samples, fraction):
    """Return the real values of int16 samples as float32, exactly."""
    return np.ldexp(np.asarray(samples).astype(np.float32), -fraction)


def split_inputs(graph, inputs):
    """Check real inputs and turn them into one dict of samples for each run.

    Parameters
    ----------
    graph : compiler.fixed.FixedGraph
        The network.
    inputs : dict of str to array, or array
        Real values by ONNX name, of the ONNX shape or with a batch dimension of N in front (in
        place of a first dimension of 1). A network with one input takes the array alone.

    Returns
    -------
    runs : list of dict of str to numpy.ndarray
        int16 arrays of shape (channels, rows, columns), by name.
    batched : bool
        Whether the inputs were a batch.

    Raises
    ------
    InputError
        If a name, a type, a shape or a value is wrong.
    """
    arrays = _named(graph, inputs)
    lengths = {name: _batch_length(name, array, _onnx_shape(graph, name))
               for name, array in arrays.items()}
    batches = {name: length for name, length in lengths.items() if length is not None}
    if len(set(batches.values())) > 1 or (batches and len(batches) < len(arrays)):
        described = ", ".join(f"{name!r}: {'one' if length is None else length}"
                              for name, length in lengths.items())
        raise InputError(f"inputs must hold the same number of samples each, not {described}")
    samples = {}
    for name, array in arrays.items():
        tensor = graph.tensors[name]
        samples[name] = quantise(array, tensor.fraction).reshape(-1, *tensor.shape)
    count = next(iter(batches.values()), 1)
    return [{name: array[index] for name, array in samples.items()} for index in range(count)], \
        bool(batches)


def join_outputs(graph, runs, batched, raw):
    """Return the outputs of runs under their ONNX names and shapes.

    Parameters
    ----------
    graph : compiler.fixed.FixedGraph
        The network.
    runs : list of dict of str to numpy.ndarray
        int16 arrays of each run.
    batched : bool
        Stack them, as `split_inputs` found the inputs.
    raw : bool
        Give the samples, not real values.

    Returns
    -------
    dict of str to numpy.ndarray
        float32, int64 where the network chooses among maps; int16 with ``raw``.
    """
    outputs = {}
    for name in graph.outputs:
        tensor, shape = graph.tensors[name], graph.output_shapes.get(name)
        shape = tensor.shape if shape is None else tuple(shape)
        stacked = np.stack([run[name].reshape(shape) for run in runs])
        if not batched:
            stacked = stacked[0]
        elif shape[:1] == (1,):
            stacked = stacked[:, 0]
        if raw:
            outputs[name] = stacked
        elif graph.dtype(name) == "int64":
            outputs[name] = stacked.astype(np.int64)
        else:
            outputs[name] = dequantise(stacked, tensor.fraction)
    return outputs


def _onnx_shape(graph, name):
    return tuple(graph.input_shapes.get(name, graph.tensors[name].shape))


def _named(graph, inputs):
    """Return the inputs as checked arrays, in the graph's order."""
    if not isinstance(inputs, dict):
        if len(graph.inputs) > 1:
            raise InputError(f"the network has the inputs {', '.join(graph.inputs)}; give a dict "
                             "with an array for each")
        inputs = {graph.inputs[0]: inputs}
    for name in inputs:
        if name not in graph.inputs:
            raise InputError(f"unknown input {name!r}; inputs are {', '.join(graph.inputs)}")
    return {name: _checked(name, inputs) for name in graph.inputs}


def _checked(name, inputs):
    if name not in inputs:
        raise InputError(f"input {name!r} is missing")
    try:
        array = np.asarray(inputs[name])
    except ValueError:
        raise InputError(f"input {name!r} is not an array: its rows differ in length") from None
    if array.dtype.kind not in "fiu":
        raise InputError(f"input {name!r} must hold real numbers, not {array.dtype}")
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0].tolist())
        raise InputError(f"input {name!r} must be finite, not {array[place]} at {list(place)}")
    return array


def _batch_length(name, array, shape):
    """Return the number of samples of a batch, or None for a single input."""
    if array.shape == shape:
        return None
    inner = shape[1:] if shape[:1] == (1,) else shape
    if array.ndim == len(inner) + 1 and array.shape[1:] == inner and len(array):
        return len(array)
    batch = ("N", *inner)
    raise InputError(f"input {name!r} must have shape {list(shape)}, or "
                     f"[{', '.join(map(str, batch))}] for N runs, not {list(array.shape)}")
