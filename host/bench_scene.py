"""The benchmark of scene labelling: a frame on the RTL, every cycle accounted for."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

from . import files, render
from .bench import step_uses, total, use_table
from .compare import first_difference
from .device import open_device
from .outcome import UsageError, named_target

__all__ = ["GROUPS", "SceneBench", "SceneResult", "group_of"]

#: Groups of layers, by how their names begin.
GROUPS = {"normalisation": ("frame_", "lcn_"), "features": ("stage",),
          "classifier": ("classifier", "choose")}

_GROUP_HEADERS = ("group", "cycles", "ms", "predicted", "error", "busy", "MMACs", "MB read",
                  "MB written")

#: Frames that choose the binary points.
_CALIBRATION = 2


def group_of(layer):
    """Return the group that a layer belongs to."""
    return next(name for name, beginnings in GROUPS.items() if layer.startswith(beginnings))


@dataclass(frozen=True)
class SceneResult:
    """What the benchmark measured.

    Parameters
    ----------
    target : Target
        The machine.
    size : tuple of int
        Rows and columns of the frame.
    steps : list of host.bench.Use
        Each step.
    groups : list of host.bench.Use
        Normalisation with the smaller frames, features (the three convolution stages), classifier.
    whole : host.bench.Use
        The run from start to end, with the cycles after the last step.
    difference : str or None
        Where outputs and reference differ first.
    values : int
        Output values compared.
    bus : tuple of int
        Bytes that moved over the memory bus, read and written; beats that carry few of their
        bytes count whole.
    seconds : float
        Processor time of the simulation.
    picture : pathlib.Path
        PNG file of the labels.
    """

    target: object
    size: tuple[int, int]
    steps: list
    groups: list
    whole: object
    difference: str | None
    values: int
    bus: tuple[int, int]
    seconds: float
    picture: Path

    @property
    def agrees(self):
        """Whether every bit equals the reference's."""
        return self.difference is None

    @property
    def data(self):
        """Everything, for programs."""
        target, (height, width) = self.target, self.size
        return {
            "target": target.name, "height": height, "width": width, "clock_hz": target.clock_hz,
            "multipliers": len(target.convolvers) * target.macs,
            "agrees": self.agrees, "difference": self.difference, "values": self.values,
            "steps": [{"number": number, "group": group_of(use.name), **use.data(target)}
                      for number, use in enumerate(self.steps)],
            "groups": [use.data(target) for use in self.groups],
            "whole": self.whole.data(target),
            "bus_bytes": {"read": self.bus[0], "written": self.bus[1]},
            "picture": str(self.picture),
            "simulation": {"processor_seconds": self.seconds,
                           "cycles_per_second": self.whole.whole / self.seconds},
        }

    def show(self):
        """Print the tables."""
        target, (height, width) = self.target, self.size
        macs = len(target.convolvers) * target.macs
        rows = [(use.name, f"{use.whole:,}", f"{use.milliseconds(target):.2f}",
                 f"{use.predicted:,}", f"{use.error:+.1%}", f"{use.share(target):.1%}",
                 f"{use.macs / 1e6:,.1f}", f"{use.bytes_read / 1e6:.1f}",
                 f"{use.bytes_written / 1e6:.1f}") for use in (*self.groups, self.whole)]
        render.show(
            f"Scene labelling, {height}x{width}, on {target.name}: {macs} MACs, "
            f"{render.units(target.clock_hz, 'Hz')}",
            use_table(self.steps, target),
            render.table(_GROUP_HEADERS, rows, numbers=_GROUP_HEADERS[1:]),
            f"Memory bus: {self.bus[0] / 1e6:.1f} MB read, {self.bus[1] / 1e6:.1f} MB written.",
            f"Simulated at {self.whole.whole / self.seconds:,.0f} cycles a second of one core.",
            f"RTL and reference DIFFER: {self.difference}" if self.difference else
            f"RTL and reference agree on every bit of every output: {self.values:,} values.",
            f"Labels: {self.picture}")


class SceneBench:
    """Compiles the scene-labelling network, runs a photograph on the RTL and compares every bit.

    Parameters
    ----------
    target : str
        Name of the machine.
    height, width : int
        Rows and columns of the frame, at most 240 and 320; multiples of 16.
    maps : tuple of int or None
        Maps of the three stages of an untrained network, in place of the trained one.
    picture : path-like
        PNG file to write: the photograph beside the labels.
    progress : callable
        Told how far the work is.

    Raises
    ------
    UsageError
        If there is no such target, or the frame's size or the maps cannot be.
    host.files.FileError
        If the picture cannot be written.
    """

    def __init__(self, target, height, width, maps, picture, progress):
        from examples.scene_labelling import data, export, network

        self.target = named_target(target)
        self.size, self.progress = (height, width), progress
        self.picture = Path(picture)
        files.check_output(self.picture, (".png",), make_folder=True)
        try:
            self.photograph = data.crop(data.photograph("china"), height, width)
            self.model = (export.build(height, width, maps) if maps else
                          export.to_onnx(network.load(), height, width))
        except ValueError as error:
            raise UsageError(str(error)) from None
        self.calibration = data.calibration(_CALIBRATION, self.size)
        self.frame = {data.INPUT_NAME: data.to_yuv(self.photograph)[None]}

    def run(self):
        """Run it.

        Returns
        -------
        SceneResult
            Everything measured.

        Raises
        ------
        Exception
            One of `host.outcome.user_errors`.
        """
        from compiler.compile import compile_model

        program = compile_model(self.model, self.target, self.calibration, self.progress)
        self.progress("Running the reference")
        with open_device(program, "reference") as device:
            expected = device.run(self.frame, raw=True)
        run = self._run_rtl(program)
        steps = step_uses(program, run.records)
        groups = [total(name, [use for use in steps if group_of(use.name) == name])
                  for name in GROUPS]
        whole = total("whole frame", steps)
        whole = replace(whole, control=run.cycles - whole.cycles)
        difference = first_difference(expected, run.outputs)
        self._draw(run.outputs)
        return SceneResult(
            self.target, self.size, steps, groups, whole, difference and str(difference),
            sum(array.size for array in expected.values()), run.bus, run.seconds, self.picture)

    def _draw(self, outputs):
        """Write the picture of the labels that the RTL gave."""
        from examples.scene_labelling import export, label

        labels = outputs[export.LABELS_NAME][0, 0]
        with files.replacing(self.picture) as path:
            label.label_picture(labels, self.photograph).save(path)

    def _rtl_progress(self, what, done=None, total=None):
        if total is None:
            self.progress(what, done)
        else:
            self.progress(what, done, total, "cycles")

    def _run_rtl(self, program):
        with open_device(program, "rtl", progress=self._rtl_progress) as device:
            before, started = device.machine.traffic, time.process_time()
            outputs = device.run(self.frame, raw=True)
            seconds = time.process_time() - started
            bus = tuple(after - old for after, old in
                        zip(device.machine.traffic, before, strict=True))
            return SimpleNamespace(outputs=outputs, records=device.steps(), bus=bus,
                                   cycles=device.counters()["cycles"], seconds=seconds)
