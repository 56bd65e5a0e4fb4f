"""What 16 bits cost: a network in float (onnxruntime) against fixed point, layer by layer."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from compiler.calibrate import check_calibration, useful_ranges
from compiler.frontend.onnx_file import read_model
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from compiler.quantise import quantise
from sim import reference

from . import files, render
from . import samples as formats
from .outcome import Result, UsageError, named_target

__all__ = ["FloatNetwork", "LayerAccuracy", "compare_file", "compare_layers"]

_HEADERS = ("layer", "tensor", "format", "SNR dB", "largest error", "saturated")


@dataclass(frozen=True)
class LayerAccuracy:
    """How far one tensor is from what the float network makes of the same inputs.

    Parameters
    ----------
    layer, tensor : str
        The user's layer that makes it, and its ONNX name.
    fraction : int
        Bits behind the point.
    snr : float
        Signal to noise in dB: the float values' squares over those of the differences; infinite
        without noise. Values that the tensor's readers do not tell apart count as equal.
    largest : float
        Largest difference.
    saturated, samples : int
        Samples that saturated at the nodes of the layer, and samples of the tensor, over all runs.
    """

    layer: str
    tensor: str
    fraction: int
    snr: float
    largest: float
    saturated: int
    samples: int

    @property
    def data(self):
        """Everything as a dict; an infinite SNR is None."""
        return {**vars(self), "snr": self.snr if math.isfinite(self.snr) else None}


class FloatNetwork:
    """An ONNX model under onnxruntime that gives the tensors between layers, too.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        The model.
    names : iterable of str
        Tensors wanted; those that the model does not have are left out.
    """

    def __init__(self, model, names):
        import onnxruntime

        proto, _ = read_model(model)
        made = {name for node in proto.graph.node for name in node.output}
        outputs = {info.name for info in proto.graph.output}
        self.names = [name for name in names if name in made]
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.names
                                  if name not in outputs)
        options = onnxruntime.SessionOptions()
        # Optimising would do away with tensors; and its warnings are about the model's author.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._types = {info.name: info.type for info in self.session.get_inputs()}

    def run(self, inputs):
        """Return the tensors for one run.

        Parameters
        ----------
        inputs : dict of str to numpy.ndarray
            Each of its ONNX shape.

        Returns
        -------
        dict of str to numpy.ndarray
            float64, of the ONNX shapes.
        """
        kinds = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
        values = self.session.run(self.names, {
            name: np.asarray(array, kinds.get(self._types[name], np.float32))
            for name, array in inputs.items()})
        return {name: value.astype(np.float64)
                for name, value in zip(self.names, values, strict=True)}


def compare_layers(model, graph, maps, useful, progress=None):
    """Compare a fixed-point graph with the float model it comes from.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        The float model.
    graph : compiler.fixed.FixedGraph
        The same in integers.
    maps : dict of str to numpy.ndarray
        float (runs, channels, rows, columns) of each input.
    useful : dict of str to tuple
        What `compiler.calibrate.useful_ranges` says: numbers beyond these ends, which a tensor's
        readers do not tell apart, count as the ends.
    progress : callable, optional
        ``progress(what, done, total)`` with runs.

    Returns
    -------
    list of LayerAccuracy
        One for each tensor that both have, in the order in which they are made.
    """
    network = FloatNetwork(model, [node.output for node in graph.nodes])
    count = len(next(iter(maps.values())))
    sums = {name: np.zeros(2) for name in network.names}
    largest, saturated = dict.fromkeys(network.names, 0.0), {}
    for run in range(count):
        inputs = {name: values[run] for name, values in maps.items()}
        floats = network.run({name: values.reshape(graph.input_shapes[name])
                              for name, values in inputs.items()})
        found = {}
        fixed = reference.run(graph, {
            name: formats.quantise(values, graph.tensors[name].fraction)
            for name, values in inputs.items()}, found)
        for name, number in found.items():
            saturated[name] = saturated.get(name, 0) + number
        for name, values in floats.items():
            real = np.ldexp(fixed[name].astype(np.float64), -graph.tensors[name].fraction)
            ends = useful.get(name, (-np.inf, np.inf))
            values, real = (np.clip(one.ravel(), *ends) for one in (values, real))
            noise = values - real
            sums[name] += np.sum(values**2), np.sum(noise**2)
            largest[name] = max(largest[name], float(np.abs(noise).max()))
        if progress:
            progress("Comparing float with fixed point", run + 1, count)
    return [_accuracy(graph, node, sums[node.output], largest[node.output], saturated, count)
            for node in graph.nodes if node.output in sums]


def _accuracy(graph, node, sums, largest, saturated, count):
    signal, noise = sums
    tensor = graph.tensors[node.output]
    snr = math.inf if not noise else 10 * math.log10(signal / noise) if signal else -math.inf
    together = sum(saturated[other.name] for other in graph.nodes if other.layer == node.layer)
    return LayerAccuracy(node.layer, node.output, tensor.fraction, snr, largest, together,
                         count * tensor.size)


def compare_file(model, data, *, target="tiny", calibration=None, method="range", threshold=30.0,
                 progress=None):
    """Compare a model file in float and in fixed point.

    Parameters
    ----------
    model, data : path-like
        ONNX file; its inputs by name, samples first (``.npz``), or the only one (``.npy``).
    target : str
        Machine whose mappers make the tables.
    calibration : path-like or None
        Other data to choose the binary points by (default: `data`).
    method : str
        A name in `compiler.quantise.METHODS`.
    threshold : float
        SNR in dB below which float and fixed point are said to part.
    progress : callable or None
        Told how far the work is.

    Returns
    -------
    host.outcome.Result

    Raises
    ------
    Exception
        One of `host.outcome.user_errors`.
    """
    if not math.isfinite(threshold):
        raise UsageError(f"--snr must be a number of dB, not {threshold}")
    target = named_target(target)
    say = progress or (lambda text, *amounts: None)
    say("Reading the model")
    graph = simplify(import_onnx(Path(model)))
    arrays = files.read_arrays(data, graph.inputs)
    other = files.read_arrays(calibration, graph.inputs) if calibration else arrays
    say("Quantising")
    maps = check_calibration(graph, arrays)
    fixed, summary = quantise(graph, other, segments=target.segments, method=method)
    layers = compare_layers(Path(model), fixed, maps, useful_ranges(graph), progress)
    return _result(layers, summary, method, threshold, len(next(iter(maps.values()))))


def _result(layers, summary, method, threshold, runs):
    parting = next((layer for layer in layers if layer.snr < threshold), None)
    rows = [(layer.layer, layer.tensor, f"Q{15 - layer.fraction}.{layer.fraction}",
             "exact" if layer.snr == math.inf else f"{layer.snr:.1f}", f"{layer.largest:.3g}",
             f"{layer.saturated:,}") for layer in layers]
    verdict = (f"They part at layer {parting.layer}: tensor {parting.tensor!r} has an SNR of "
               f"{parting.snr:.1f} dB, less than {threshold:g} dB." if parting else
               f"No layer has an SNR of less than {threshold:g} dB.")
    data = {"runs": runs, "method": method, "threshold_db": threshold,
            "parts_at": parting and parting.layer, "layers": [layer.data for layer in layers],
            "notes": list(summary.notes)}
    return Result(data, (
        render.table(_HEADERS, rows, numbers=_HEADERS[3:]),
        (f"Float (onnxruntime) against 16 bits (reference), {runs} runs, points by {method}. "
         f"{verdict}"), *(f"note: {note}" for note in summary.notes)))
