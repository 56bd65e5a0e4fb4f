"""What a network of the zoo takes on a machine, and what 16 bits cost it."""

import math
import time
from dataclasses import dataclass

from compiler.calibrate import check_calibration, useful_ranges
from compiler.compile import compile_fixed
from compiler.frontend.onnx_file import read_model
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from compiler.quantise import quantise
from host.accuracy import compare_layers
from host.estimate import estimate_program

__all__ = ["Measured", "measure", "measure_file"]

#: Samples that choose the binary points; another one is compared.
CALIBRATION = 2


@dataclass(frozen=True)
class Measured:
    """One network on one machine.

    Parameters
    ----------
    operators : tuple of str
        ONNX operators that it uses, in alphabetical order.
    weights, macs, cycles : int
        Parameters, useful multiply-accumulates, and predicted cycles of a run.
    milliseconds : float
        The cycles at the machine's clock.
    utilisation : float
        Share of the machine's MACs that work on the result.
    snr : float or None
        Signal to noise of the worst output in 16 bits against float, in dB; None if unknown.
    seconds : float
        Processor time of the compiler.
    program : compiler.program.Program
        The program.
    """

    operators: tuple
    weights: int
    macs: int
    cycles: int
    milliseconds: float
    utilisation: float
    snr: float | None
    seconds: float
    program: object


def _compile(model, target, calibration):
    started = time.process_time()
    graph = simplify(import_onnx(model))
    fixed, summary = quantise(graph, calibration, segments=target.segments)
    program = compile_fixed(fixed, target, summary)
    return graph, program, time.process_time() - started


def _measured(model, program, target, seconds, snr):
    proto, _ = read_model(model)
    estimate = estimate_program(program, target)
    weights = sum(math.prod(tensor.dims) for tensor in proto.graph.initializer
                  if tensor.data_type == tensor.FLOAT)
    return Measured(
        tuple(sorted({node.op_type for node in proto.graph.node})), weights,
        sum(layer.macs for layer in estimate.layers), estimate.cycles,
        1e3 * estimate.cycles / target.clock_hz, estimate.utilisation, snr, seconds, program)


def measure(entry, target, *, reduced=False):
    """Measure a network of the zoo.

    Parameters
    ----------
    entry : examples.zoo.entry.Entry
        The network.
    target : hdl.target.Target
        The machine.
    reduced : bool
        Whether to take its reduced version.

    Returns
    -------
    Measured

    Raises
    ------
    CompileError
        If it cannot be compiled.
    """
    model = entry.build(reduced=reduced)
    graph, program, seconds = _compile(model, target, entry.inputs(model, CALIBRATION))
    maps = check_calibration(graph, entry.inputs(model, 1, seed=1))
    layers = compare_layers(model, program.graph, maps, useful_ranges(graph))
    snr = min(layer.snr for layer in layers if layer.tensor in graph.outputs
              and program.graph.dtype(layer.tensor) == "float32")
    return _measured(model, program, target, seconds, snr)


def measure_file(path, target):
    """Measure a model file that has no data: random inputs choose its points.

    Parameters
    ----------
    path : path-like
        ONNX file.
    target : hdl.target.Target
        The machine.

    Returns
    -------
    Measured
        Its `snr` is None, and it counts no weights that nodes make.

    Raises
    ------
    CompileError
        If it cannot be compiled.
    """
    _, program, seconds = _compile(path, target, None)
    return _measured(path, program, target, seconds, None)
