"""Label frames with a simulated machine, every bit compared with the reference."""

from dataclasses import dataclass

import numpy as np

from compiler.compile import compile_model
from compiler.frontend.onnx_import import import_onnx
from examples.scene_labelling import data, export
from examples.scene_labelling import network as scene
from hdl.target import get_target
from host.compare import first_difference
from host.device import open_device

#: Frames that choose the binary points.
CALIBRATION = 2


class DifferenceError(RuntimeError):
    """A machine's bits differ from the reference's."""


@dataclass(frozen=True)
class Labelled:
    """A frame that a machine has labelled.

    Parameters
    ----------
    labels : numpy.ndarray
        int64, rows/4 x columns/4.
    rgb : numpy.ndarray
        uint8, rows x columns x 3: what was labelled.
    cycles : int
        Counted by the hardware, or predicted by the compiler.
    measured : bool
        Whether they were counted.
    milliseconds : float
        The same at the machine's clock.
    values : int
        Values of 16 bits that were compared: labels and features.
    difference : str or None
        Where they differ from the reference's first.
    """

    labels: np.ndarray
    rgb: np.ndarray
    cycles: int
    measured: bool
    milliseconds: float
    values: int
    difference: str | None


def compile_scene(target, model=None, progress=None):
    """Compile a scene-labelling network, calibrated with training frames.

    Parameters
    ----------
    target : str
        Name of the machine.
    model : path-like or onnx.ModelProto, optional
        As ``export.py`` makes it, for frames of any size up to 240x320; without one, the trained
        network.
    progress : callable, optional
        Called with a line of text as each stage begins.

    Returns
    -------
    compiler.program.Program
        The program.

    Raises
    ------
    compiler.errors.CompileError
        If the model cannot be compiled.
    """
    model = export.to_onnx(scene.load()) if model is None else model
    size = import_onnx(model).input_shapes[data.INPUT_NAME][-2:]
    return compile_model(model, target, data.calibration(CALIBRATION, size), progress)


def label(program, rgb, backend="functional", progress=None):
    """Label the middle of a picture.

    Parameters
    ----------
    program : compiler.program.Program
        From :func:`compile_scene`.
    rgb : numpy.ndarray
        uint8, rows x columns x 3, at least as large as the program's frames.
    backend : str
        "functional" executes the program's image, "rtl" simulates the hardware's Verilog.
    progress : callable, optional
        See `host.device.Device`.

    Returns
    -------
    Labelled
        Labels, cycles, and whether every bit is right.

    Raises
    ------
    host.driver.DeviceError
        If the machine fails.
    """
    height, width = program.manifest["inputs"][0]["shape"][-2:]
    rgb = data.crop(rgb, height, width)
    frame = {data.INPUT_NAME: data.to_yuv(rgb)[None]}
    with open_device(program, "reference") as device:
        expected = device.run(frame, raw=True)
    with open_device(program, backend, progress=progress) as device:
        found = device.run(frame, raw=True)
        measured = backend == "rtl"
        cycles = device.counters()["cycles"] if measured else program.predicted_cycles
    difference = first_difference(expected, found)
    return Labelled(
        found[export.LABELS_NAME][0, 0].astype(np.int64), rgb, cycles, measured,
        1e3 * cycles / get_target(program.target).clock_hz,
        sum(array.size for array in expected.values()), difference and str(difference))
