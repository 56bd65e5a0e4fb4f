"""Where float, reference, functional machine and RTL part: layer, map, pixel, tile and cycle."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.calibrate import check_calibration, useful_ranges
from compiler.compile import compile_fixed
from compiler.extract import extract_layers
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from compiler.quantise import quantise
from sim import reference

from . import files, render, samples
from .accuracy import FloatNetwork
from .image_check import ImageCheck, Parting
from .outcome import UsageError, named_target

__all__ = ["VIEWS", "Check", "check_file", "float_parting", "layer_range"]

#: What is compared, each with the one before.
VIEWS = ("float", "reference", "functional", "rtl")


@dataclass(frozen=True)
class Check:
    """What a check found.

    Parameters
    ----------
    views : tuple of str
        What was compared, in order.
    partings : list of Parting
        Where one view parts from the one before; nothing behind it was compared.
    layers, steps : int
        Layers and steps that were looked at.
    """

    views: tuple[str, ...]
    partings: list[Parting]
    layers: int
    steps: int

    @property
    def agrees(self):
        """Whether all views agree."""
        return not self.partings

    @property
    def data(self):
        """Everything as a dict."""
        return {"views": list(self.views), "agrees": self.agrees, "layers": self.layers,
                "steps": self.steps, "partings": [parting.data for parting in self.partings]}

    def show(self):
        """Print it for people."""
        if self.agrees:
            render.show(f"{', '.join(self.views)} agree: {self.layers} layers, {self.steps} steps.")
        else:
            render.show(*map(str, self.partings))


def float_parting(model, graph, useful, maps, values, threshold):
    """Return where the reference parts from onnxruntime, or None.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        The float model.
    graph : compiler.fixed.FixedGraph
        The network in integers.
    useful : dict of str to tuple
        What `compiler.calibrate.useful_ranges` says of its tensors.
    maps, values : dict of str to numpy.ndarray
        Real inputs (channels, rows, columns), and every tensor of the reference.
    threshold : float
        SNR in dB below which a tensor parts.
    """
    network = FloatNetwork(model, [node.output for node in graph.nodes])
    floats = network.run({name: array.reshape(graph.input_shapes[name])
                          for name, array in maps.items()})
    for node in graph.nodes:
        if node.output not in floats:
            continue
        tensor = graph.tensors[node.output]
        ends = useful.get(node.output, (-np.inf, np.inf))
        wanted = np.clip(floats[node.output].ravel(), *ends)
        real = np.clip(np.ldexp(values[node.output].ravel().astype(np.float64), -tensor.fraction),
                       *ends)
        noise, signal = np.sum((wanted - real) ** 2), np.sum(wanted**2)
        if noise and 10 * np.log10(max(signal, 1e-300) / noise) < threshold:
            worst = int(np.abs(wanted - real).argmax())
            step = 2.0**-tensor.fraction
            return Parting(
                ("float", "reference"), node.layer, node.output,
                tuple(int(place) for place in np.unravel_index(worst, tensor.shape)),
                float(wanted[worst]), float(real[worst]),
                int(np.count_nonzero(np.abs(wanted - real) > step)), tensor.size)
    return None


def layer_range(text):
    """Return first and last layer of ``A..B``, ``A..``, ``..B`` or ``A``; None is an open end."""
    first, dots, last = text.partition("..")
    if not (first or last):
        raise UsageError(f"--layers {text}: give the names of two layers, A..B")
    return first or None, (last or None) if dots else first


def check_file(model, data, *, target="tiny", layers=None, calibration=None, method="range",
               sample=0, threshold=30.0, up_to="rtl", trace=None, progress=None):
    """Check a model file on all views in turn.

    Parameters
    ----------
    model, data : path-like
        ONNX file; its inputs by name, samples first (``.npz``), or the only one (``.npy``).
    target : str
        Name of the machine.
    layers : str or None
        Only these layers of the fixed-point graph, see `layer_range`: they get the reference's
        tensors. Float is not compared then.
    calibration : path-like or None
        Other data to choose the binary points by (default: `data`).
    method : str
        A name in `compiler.quantise.METHODS`.
    sample : int
        Which of the samples is run.
    threshold : float
        SNR in dB below which the reference parts from float.
    up_to : str
        Last of `VIEWS` that is looked at.
    trace : path-like or None
        Wave file to keep of the cycles around the place where the RTL parts (default: the model's
        name with ``.check.fst`` in the current folder).
    progress : callable or None
        Told how far the work is.

    Returns
    -------
    Check

    Raises
    ------
    Exception
        One of `host.outcome.user_errors`.
    """
    if up_to not in VIEWS[1:]:
        raise UsageError(f"--up-to {up_to}: it must be one of {', '.join(VIEWS[1:])}")
    trace = Path(trace or Path(model).with_suffix(".check.fst").name)
    files.check_output(trace, files.TRACE_SUFFIXES)
    target, chosen = named_target(target), layer_range(layers) if layers else None
    say = progress or (lambda text, *amounts, **named: None)
    say("Reading the model")
    graph = simplify(import_onnx(Path(model)))
    arrays = files.read_arrays(data, graph.inputs)
    maps = check_calibration(graph, arrays)
    count = len(next(iter(maps.values())))
    if not 0 <= sample < count:
        raise UsageError(f"--sample {sample}: {data} has samples 0 to {count - 1}")
    maps = {name: values[sample] for name, values in maps.items()}
    say("Quantising")
    fixed, _ = quantise(graph, files.read_arrays(calibration, graph.inputs) if calibration
                        else arrays, segments=target.segments, method=method)
    say("Running the reference")
    values = reference.run(fixed, {name: samples.quantise(array, fixed.tensors[name].fraction)
                                   for name, array in maps.items()})
    views, found = VIEWS[:VIEWS.index(up_to) + 1], None
    if chosen:
        views, fixed = views[1:], extract_layers(fixed, *chosen)
    else:
        found = float_parting(Path(model), fixed, useful_ranges(graph), maps, values, threshold)
    if found is None and up_to != "reference":
        return _check_image(fixed, target, values, views, trace, say)
    return Check(views, [found] if found else [], len({node.layer for node in fixed.nodes}), 0)


def _check_image(graph, target, values, views, trace, say):
    say(f"Lowering to {target.name}")
    program = compile_fixed(graph, target)
    check = ImageCheck(program, values, say)
    say("Running the functional machine")
    found = check.functional()
    if found is None and "rtl" in views:
        found = check.rtl(trace)
    return Check(views, [found] if found else [], len({node.layer for node in graph.nodes}),
                 len(program.manifest["steps"]))
