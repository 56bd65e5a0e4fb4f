"""From an ONNX model to a program: all stages of the compiler in order."""

import json
import math

from hdl.target import Target, get_target

from .certify import certificates
from .errors import CompileError
from .frontend.onnx_import import import_onnx
from .frontend.torch_export import export_torch, is_onnx
from .lower import lower
from .lower.limits import check_tensors
from .lower.timing.runs import run_cycles
from .pipeline import simplify
from .program import FORMAT, VERSION, Program
from .quantise import QuantisationSummary, quantise

__all__ = ["compile_fixed", "compile_graph", "compile_model", "compile_network"]


def compile_model(model, target="tiny", calibration=None, progress=None, *, method="range"):
    """Compile a network for one machine.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        ONNX model with static shapes; a dynamic first dimension, the batch, becomes 1.
    target : str or Target
        The machine.
    calibration : dict of str to array, optional
        Samples of each input, stacked along the batch dimension; they decide where the binary
        points stand. Without them ranges are guessed from random inputs, and the program's
        manifest says so in its warnings.
    progress : callable, optional
        Called with a line of text as each stage begins.
    method : str
        How calibration data choose the points, see `compiler.quantise.quantise`.

    Returns
    -------
    Program
        The program; ``program.save(path)`` writes it.

    Raises
    ------
    CompileError
        If the model, the calibration data or the target is at fault; the message names where,
        what, and what would be right.
    """
    report = progress or (lambda text: None)
    target = _target(target)
    report("Reading the model")
    return compile_graph(simplify(import_onnx(model)), target, calibration, progress,
                         method=method)


def compile_network(model, example_input=None, target="tiny", calibration=None, progress=None, *,
                    method="range"):
    """Compile a network, a PyTorch module or an ONNX model, for one machine.

    Parameters
    ----------
    model : torch.nn.Module, path, bytes or onnx.ModelProto
        The network.
    example_input : torch.Tensor, array, tuple of them, or dict of them by name, optional
        For a PyTorch module alone: an input with a batch of 1, which fixes the shapes. See
        `compiler.frontend.torch_export.export_torch` for the names that inputs get.
    target : str or Target
        The machine.
    calibration : dict of str to array, or array, optional
        As `compile_model` takes it; an array, or tensor, alone for a network with one input.
    progress, method
        As `compile_model` takes them.

    Returns
    -------
    Program
        The program; ``program.save(path)`` writes it.

    Raises
    ------
    CompileError
        If the model, the calibration data or the target is at fault, or torch is missing.
    """
    target = _target(target)
    if is_onnx(model):
        if example_input is not None:
            raise CompileError("example_input is for PyTorch modules, an ONNX model states its "
                               "shapes; the machine is given as target=...")
    else:
        if progress:
            progress("Exporting the module to ONNX")
        model = export_torch(model, example_input)
    if calibration is not None and not hasattr(calibration, "items"):
        inputs = import_onnx(model).inputs
        if len(inputs) != 1:
            raise CompileError(f"the network has the inputs {', '.join(inputs)}; calibration must "
                               "be a dict with an array for each")
        calibration = {inputs[0]: calibration}
    return compile_model(model, target, calibration, progress, method=method)


def _target(target):
    if isinstance(target, Target):
        return target
    try:
        return get_target(target)
    except ValueError as error:
        raise CompileError(str(error)) from None


def compile_graph(graph, target, calibration=None, progress=None, *, method="range"):
    """Compile a simplified graph; parameters, result and errors are those of `compile_model`.

    Parameters
    ----------
    graph : compiler.graph.Graph
        What `simplify` returned.
    target : Target
        The machine.
    """
    report = progress or (lambda text: None)
    check_tensors(graph, target)
    report("Quantising")
    fixed, summary = quantise(graph, calibration, segments=target.segments, method=method)
    report(f"Lowering to {target.name}")
    return compile_fixed(fixed, target, summary)


def compile_fixed(graph, target, summary=None):
    """Return the `Program` of a fixed-point graph.

    Parameters
    ----------
    graph : compiler.fixed.FixedGraph
        The network in integers.
    target : Target
        The machine.
    summary : compiler.quantise.QuantisationSummary, optional
        How its points were chosen, for the manifest.

    Raises
    ------
    CompileError
        If a layer exceeds the machine.
    """
    lowered = lower(graph, target)
    return Program(target.name, target.fingerprint,
                   _manifest(graph, summary or QuantisationSummary((), (), ()), target, lowered),
                   lowered.image, graph)


def _manifest(graph, summary, target, lowered):
    def endpoint(name, shapes):
        tensor = graph.tensors[name]
        return {"name": name, "shape": list(shapes.get(name, tensor.shape)),
                "maps": list(tensor.shape), "fraction": tensor.fraction,
                "address": lowered.tensors[name]}

    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "target": target.name,
        "fingerprint": f"{target.fingerprint:016x}",
        "program_address": lowered.program_address,
        "inputs": [endpoint(name, graph.input_shapes) for name in graph.inputs],
        "outputs": [{**endpoint(name, graph.output_shapes), "dtype": graph.dtype(name)}
                    for name in graph.outputs],
        "tensors": [{"name": tensor.name, "maps": list(tensor.shape), "fraction": tensor.fraction,
                     "address": lowered.tensors.get(tensor.name)}
                    for tensor in lowered.graph.tensors.values()],
        "steps": lowered.steps,
        "predicted_cycles": run_cycles(lowered.steps, target),
        "host": [],
        "log": lowered.log,
        "certificates": certificates(graph, lowered, {
            entry.name: entry.reach for entry in summary.tensors}),
        "quantisation": {
            "method": summary.method,
            "tensors": [{"name": entry.name, "layer": entry.layer, "fraction": entry.fraction,
                         "range": [entry.low, entry.high], "clipped": entry.clipped,
                         "snr_db": entry.snr if math.isfinite(entry.snr) else None}
                        for entry in summary.tensors],
            "notes": list(summary.notes), "warnings": list(summary.warnings)},
    }
    # What a program holds is what its file will: lists for tuples.
    return json.loads(json.dumps(manifest))
