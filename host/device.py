"""Devices: one way to run programs, whatever runs them.

`open_device` is the way in; a device is a context manager.
"""

import abc

import numpy as np

from hdl.target import Target, get_target
from sim import reference
from sim.functional import FunctionalError, FunctionalMachine

from .driver import DeviceError, DeviceStatus, Driver, Status, check_target
from .samples import join_outputs, split_inputs
from .steps import PredictedStep

__all__ = ["BACKENDS", "Device", "FunctionalDevice", "ReferenceDevice", "RtlDevice",
           "open_device"]


class Device(abc.ABC):
    """Something that runs programs for one target; closes itself as a context manager.

    Parameters
    ----------
    target : Target
        The machine.
    progress : callable, optional
        Told about long work: ``progress(what, done, total)`` with cycles, or
        ``progress(what, share)`` with a share from 0 to 1.
    """

    #: Name of the kind of device.
    backend = None

    def __init__(self, target, progress=None):
        self.target = target
        self.progress = progress
        self.program = None

    def load(self, program):
        """Make a program the one that `run` runs.

        Raises
        ------
        TargetMismatchError
            If it is for another machine.
        """
        check_target(program, self.target.fingerprint, self.target.name)
        self._load(program)
        self.program = program

    def run(self, inputs, raw=False):
        """Run the program on real inputs.

        Parameters
        ----------
        inputs : dict of str to array, or array
            By ONNX name, of the ONNX shape, or with a batch of N in front for N runs; an array
            alone for a network with one input.
        raw : bool
            Give 16-bit samples, not real values.

        Returns
        -------
        dict of str to numpy.ndarray
            By ONNX name: float32 (int64 from an ArgMax) of the ONNX shape, stacked for a batch;
            int16 with ``raw``.

        Raises
        ------
        InputError
            If an input does not fit.
        DeviceError
            If no program is loaded or the machine fails.
        """
        graph = self._loaded().graph
        runs, batched = split_inputs(graph, inputs)
        return join_outputs(graph, self._run_all(runs), batched, raw)

    def run_samples(self, samples):
        """Run once on int16 arrays of shape (channels, rows, columns); outputs alike."""
        self._loaded()
        return self._run(samples, 0, 1)

    def run_batch(self, runs):
        """Run once for each dict of int16 arrays (channels, rows, columns); outputs alike."""
        self._loaded()
        return self._run_all(runs)

    def _run_all(self, runs):
        return [self._run(samples, index, len(runs)) for index, samples in enumerate(runs)]

    def _loaded(self):
        if self.program is None:
            raise DeviceError("no program is loaded")
        return self.program

    @abc.abstractmethod
    def _load(self, program):
        """Load a program that has been checked."""

    @abc.abstractmethod
    def _run(self, samples, index, count):
        """Run once, as run ``index`` of ``count``; int16 arrays in and out."""

    @abc.abstractmethod
    def counters(self):
        """Return the performance counters of the last run, by name."""

    @abc.abstractmethod
    def steps(self):
        """Return a `StepRecord` for each step of the last run."""

    @abc.abstractmethod
    def status(self):
        """Return the `DeviceStatus`."""

    @abc.abstractmethod
    def close(self):
        """Give up the device."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


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


class RtlDevice(Device):
    """Runs programs on the machine's Verilog, simulated.

    Parameters
    ----------
    target : Target
        The machine; its simulation is built on first use, and cached.
    progress : callable, optional
        See `Device`.
    trace : path, optional
        Wave file to write, `.fst` or `.vcd`; complete after `close`.
    behaviour : sim.rtl.machine.MemoryBehaviour, optional
        Stalls and hangs of the external memory.
    """

    backend = "rtl"

    def __init__(self, target, progress=None, *, trace=None, behaviour=None):
        super().__init__(target, progress)
        # Imported here: the reference needs no compiler, and the command starts faster.
        from sim.rtl.machine import Machine

        from .transports.simulation import SimulationTransport

        self.machine = Machine.for_target(target, trace=trace, behaviour=behaviour,
                                          progress=progress)
        self.driver = Driver(SimulationTransport(self.machine), progress, target)

    def _load(self, program):
        self.driver.load(program)

    def _run(self, samples, index, count):
        return self.driver.run(samples, index, count)

    def counters(self):
        """Return the performance counters of the last run, by name."""
        return self.driver.counters()

    def steps(self):
        """Return a `StepRecord` for each step of the last run."""
        return self.driver.steps()

    def status(self):
        """Return what the machine's status registers say."""
        return self.driver.status()

    def close(self):
        """End the simulation and its wave file."""
        self.driver.close()


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
BACKENDS = {kind.backend: kind for kind in (ReferenceDevice, FunctionalDevice, RtlDevice)}


def open_device(target_or_program, backend="rtl", *, progress=None, **options):
    """Open a device for a target, or for a program, which is loaded.

    Parameters
    ----------
    target_or_program : Target, str or compiler.program.Program
        The machine, by value or name; or a program, for its target.
    backend : str
        "rtl" simulates the Verilog, "functional" executes the program image, "reference" the
        fixed-point graph.
    progress : callable, optional
        See `Device`.
    **options
        ``trace`` and ``behaviour`` of `RtlDevice`.

    Returns
    -------
    Device
        Ready to run; close it, or use it in a ``with`` statement.

    Raises
    ------
    ValueError
        If there is no such target or backend, or the backend does not take an option.
    TargetMismatchError
        If the program was compiled for an older machine of that name.
    """
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; backends are {', '.join(BACKENDS)}")
    options = {name: value for name, value in options.items() if value is not None}
    if backend != RtlDevice.backend and options:
        raise ValueError(f"{next(iter(options))} works with backend rtl only, not {backend}")
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
