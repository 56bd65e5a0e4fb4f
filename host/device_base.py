"""What every kind of device is."""

import abc

from .driver import DeviceError, check_target
from .samples import join_outputs, split_inputs

__all__ = ["Device"]


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

    #: Name of the kind of device, and the options that its class takes.
    backend, options = None, ()

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
