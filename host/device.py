"""Devices: one way to run programs, whatever runs them.

`open_device` is the way in; a device is a context manager.
"""

import numpy as np

from hdl.target import Target, get_target
from sim import reference
from sim.functional import FunctionalError, FunctionalMachine

from .device_base import Device
from .driven_device import BoardDevice, RtlDevice
from .driver import DeviceError, DeviceStatus, Status, check_target
from .steps import PredictedStep

__all__ = ["BACKENDS", "BoardDevice", "Device", "FunctionalDevice", "ReferenceDevice",
           "RtlDevice", "check_options", "open_device"]


class ReferenceDevice(Device):
    """Runs a program's fixed-point graph in NumPy; it counts no cycles.

    Attributes
    ----------
    saturations : dict of str to int
        Saturated samples of the last run, by node.
    """

    backend = "reference"

    def __init__(self, target, progress=None):
        super().__init__(target, progress)
        self.saturations = {}
        self._status = Status.IDLE

    def _load(self, program):
        self._status = Status.IDLE

    def _run(self, samples, index, count):
        self.saturations = {}
        values = reference.run(self.program.graph, samples, self.saturations)
        self._status = Status.DONE
        if self.progress and count > 1:
            self.progress("Running the reference", index + 1, count)
        return {name: values[name] for name in self.program.graph.outputs}

    def counters(self):
        """Return nothing: the reference has no counters."""
        return {}

    def steps(self):
        """Return nothing: the reference knows no steps."""
        return []

    def status(self):
        """Return idle or done."""
        return DeviceStatus(self._status)

    def close(self):
        """Nothing is held open."""


class FunctionalDevice(Device):
    """Executes the program image on whole streams, without the hardware: cycles are predicted.

    A batch runs many images at a time.
    """

    backend = "functional"

    def __init__(self, target, progress=None):
        super().__init__(target, progress)
        self.machine = FunctionalMachine(target)
        self._prepared = None
        self._status = Status.IDLE

    def _load(self, program):
        self.machine.load(0, program.image)
        self._prepared = None
        self._status = Status.IDLE

    def _run(self, samples, index, count):
        return self._run_all([samples])[0]

    def _run_all(self, runs):
        manifest = self.program.manifest
        inputs = [(entry["address"], np.stack([run[entry["name"]] for run in runs]))
                  for entry in manifest["inputs"]]
        outputs = [(entry["address"], tuple(entry["maps"])) for entry in manifest["outputs"]]
        names = [entry["name"] for entry in manifest["outputs"]]
        self._status, results = Status.ERROR, []
        try:
            if self._prepared is None:
                self._prepared = self.machine.prepare(manifest["program_address"])
            for tensors in self.machine.run_images(self._prepared, inputs, outputs):
                results += [dict(zip(names, arrays, strict=True))
                            for arrays in zip(*tensors, strict=True)]
                if self.progress and len(runs) > 1:
                    self.progress("Running the functional machine", len(results), len(runs))
        except FunctionalError as error:
            raise DeviceError(f"the functional machine stops: {error}") from error
        self._status = Status.DONE
        return results

    def counters(self):
        """Return the cycles that the compiler predicts for a run's steps; nothing was counted."""
        return {"predicted_cycles": self._loaded().predicted_cycles}

    def steps(self):
        """Return a `PredictedStep` for each step."""
        return [PredictedStep(step["number"], step["name"], step["layer"],
                              step["predicted_cycles"])
                for step in self._loaded().manifest["steps"]]

    def status(self):
        """Return idle, done or error."""
        return DeviceStatus(self._status)

    def close(self):
        """Nothing is held open."""


#: Kinds of device, by name.
BACKENDS = {kind.backend: kind
            for kind in (ReferenceDevice, FunctionalDevice, RtlDevice, BoardDevice)}


def check_options(backend, options):
    """Refuse options that a kind of device does not take.

    Raises
    ------
    ValueError
        If there is one; the message says which kind takes it.
    """
    for option in options:
        takers = [name for name, kind in BACKENDS.items() if option in kind.options]
        if backend not in takers:
            raise ValueError(f"{option} works with backend {' and '.join(takers) or 'none'} only, "
                             f"not {backend}")


def open_device(target_or_program, backend="rtl", *, progress=None, **options):
    """Open a device for a target, or for a program, which is loaded.

    Parameters
    ----------
    target_or_program : Target, str or compiler.program.Program
        The machine, by value or name; or a program, for its target.
    backend : str
        "rtl" simulates the Verilog, "functional" executes the program image, "reference" the
        fixed-point graph; "board" is a board, real or simulated, behind its byte link.
    progress : callable, optional
        See `Device`.
    **options
        ``trace`` and ``behaviour`` of `RtlDevice`, ``transport`` and ``timeout`` of
        `BoardDevice`.

    Returns
    -------
    Device
        Ready to run; close it, or use it in a ``with`` statement.

    Raises
    ------
    ValueError
        If there is no such target or backend, or the backend does not take an option.
    TargetMismatchError
        If the program was compiled for an older machine of that name, or the board holds another
        machine.
    LinkError
        If the board does not answer.
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; backends are {', '.join(BACKENDS)}")
    options = {name: value for name, value in options.items() if value is not None}
    check_options(backend, options)
    program = None
    if isinstance(target_or_program, (Target, str)):
        target = target_or_program
    else:
        program, target = target_or_program, target_or_program.target
    if isinstance(target, str):
        target = get_target(target)
    if program is not None:
        # Before the simulation is built, which takes a while.
        check_target(program, target.fingerprint, target.name)
    device = BACKENDS[backend](target, progress, **options)
    try:
        if program is not None:
            device.load(program)
    except BaseException:
        device.close()
        raise
    return device
