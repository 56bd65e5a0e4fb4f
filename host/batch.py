"""Many runs of one program over processes of this machine, or over a Dask cluster."""

import concurrent.futures
import contextlib
import math
import threading
import uuid
from dataclasses import dataclass

from .device import BACKENDS, BoardDevice, RtlDevice, open_device
from .samples import join_outputs, split_inputs

__all__ = ["BatchError", "BatchResult", "evaluate", "run_batch"]

#: Pieces of work for each worker, so that none waits long for the last; and the most runs of one.
_PIECES, _MOST_RUNS = 4, 64

#: Seconds in which a scheduler must answer.
_ANSWER = 10

#: What a worker process holds open: (key of the batch, device). One device a process, because a
#: simulation is large and uses one core; threads of a Dask worker take turns.
_held = (None, None)
_turn = threading.Lock()


class BatchError(Exception):
    """Workers that cannot be had; the message says what is missing."""


@dataclass(frozen=True)
class BatchResult:
    """What many runs gave.

    Parameters
    ----------
    outputs : dict of str to numpy.ndarray
        By ONNX name, as `host.device.Device.run` gives them.
    cycles : list of int
        Cycles of each run; empty where none were counted.
    saturated : int
        Mask of tiles that saturated a sample in any run.
    """

    outputs: dict
    cycles: list
    saturated: int


def evaluate(program, inputs, backend="functional", *, jobs=1, dask=None, raw=False,
             progress=None):
    """Run a program on real inputs, several runs at a time.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    inputs : dict of str to array, or array
        As `host.device.Device.run` takes them: a batch of N in front for N runs.
    backend : str
        A name in `host.device.BACKENDS`.
    jobs : int
        Processes of this machine, at least 1.
    dask : str, optional
        Address of a Dask scheduler, such as ``"tcp://10.0.0.1:8786"``: its workers do the work, in
        place of ``jobs``. NeuFlow must be installed for them.
    raw : bool
        Give 16-bit samples, not real values.
    progress : callable, optional
        ``progress(what, done, total)`` with runs.

    Returns
    -------
    dict of str to numpy.ndarray
        Outputs in the order of the inputs, as `host.device.Device.run` gives them.

    Raises
    ------
    InputError
        If an input does not fit.
    DeviceError
        If the machine fails, in any worker.
    BatchError
        If the workers cannot be had, or end before their work does.
    """
    return run_batch(program, inputs, backend, jobs=jobs, dask=dask, raw=raw,
                     progress=progress).outputs


def run_batch(program, inputs, backend, *, jobs=1, dask=None, raw=False, progress=None):
    """Return the `BatchResult` of what `evaluate` describes."""
    if backend not in BACKENDS:
        raise BatchError(f"unknown backend {backend!r}; backends are {', '.join(BACKENDS)}")
    if backend == BoardDevice.backend:
        raise BatchError("a board runs one program at a time, in one process: use open_device, "
                         "or leave out --jobs and --dask")
    if jobs < 1:
        raise BatchError(f"jobs must be at least 1, not {jobs}")
    runs, batched = split_inputs(program.graph, inputs)
    results, cycles, saturated, key = [], [], 0, uuid.uuid4().hex
    with contextlib.ExitStack() as stack:
        if backend == RtlDevice.backend and dask is None:
            # Built once, before workers ask for it at the same time.
            open_device(program, backend, progress=progress).close()
        stack.callback(_release, key)
        workers, parallel = stack.enter_context(_workers(jobs, dask))
        pieces = _pieces(runs, workers, backend)
        for done, counted, mask in _answers(parallel, key, program, backend, pieces):
            results += done
            cycles += counted
            saturated |= mask
            if progress:
                progress(f"Running on {workers} workers" if workers > 1 else "Running",
                         len(results), len(runs), unit="runs")
    return BatchResult(join_outputs(program.graph, results, batched, raw), cycles, saturated)


def _pieces(runs, workers, backend):
    length = 1 if backend == RtlDevice.backend else min(
        _MOST_RUNS, math.ceil(len(runs) / (_PIECES * workers)))
    return [runs[start:start + length] for start in range(0, len(runs), length)]


def _answers(parallel, key, program, backend, pieces):
    """Yield what the workers answer, in order; a worker that dies is one clear error."""
    from joblib import delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    try:
        yield from parallel(delayed(_run_piece)(key, program, backend, piece)
                            for piece in pieces)
    except (TerminatedWorkerError, concurrent.futures.CancelledError) as error:
        raise BatchError("a worker ended before its work did; was there too little memory for all "
                         "of them? use fewer jobs") from error
    except ModuleNotFoundError as error:
        raise BatchError(f"a worker lacks {error.name}; install this version of NeuFlow where the "
                         "workers run") from error


@contextlib.contextmanager
def _workers(jobs, dask):
    """Give the number of workers and what runs pieces on them."""
    from joblib import Parallel, parallel_config

    if dask is None:
        with Parallel(n_jobs=jobs, return_as="generator", batch_size=1) as parallel:
            yield jobs, parallel
        return
    with _client(dask) as client:
        workers = sum(client.nthreads().values())
        if not workers:
            raise BatchError(f"the Dask scheduler at {dask} has no workers; start one with: dask "
                             f"worker {dask}")
        with parallel_config(backend="dask", client=client):
            yield workers, Parallel(n_jobs=workers, return_as="generator", batch_size=1)


@contextlib.contextmanager
def _client(address):
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ModuleNotFoundError as error:
        raise BatchError(f"a Dask cluster needs the package {error.name}; install it with: pip "
                         "install 'neuflow[cluster]'") from None
    try:
        client = Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BatchError(f"no Dask scheduler answers at {address!r} ({error}); give its address, "
                         "as `dask scheduler` prints it: tcp://HOST:8786") from None
    try:
        with client:
            yield client
    except KilledWorker as error:
        raise BatchError("a Dask worker ended before its work did; was there too little memory? "
                         "use fewer workers on a machine") from error


def _run_piece(key, program, backend, runs):
    """Run in a worker process; returns outputs, cycles and the mask of tiles that saturated."""
    with _turn:
        device = _device(key, program, backend)
        results, cycles, saturated = [], [], 0
        for part in ([run] for run in runs) if backend == RtlDevice.backend else (runs,):
            results += device.run_batch(part)
            saturated |= device.status().saturated
            counters = device.counters()
            if "cycles" in counters:
                cycles.append(counters["cycles"])
        return results, cycles, saturated


def _release(key):
    """Close what this process holds for a batch that has ended."""
    global _held
    with _turn:
        if _held[0] == key:
            _held[1].close()
            _held = (None, None)


def _device(key, program, backend):
    """Return the device that this process holds for a batch."""
    global _held
    if _held[0] != key:
        if _held[1] is not None:
            _held[1].close()
        _held = (None, None)
        _held = (key, open_device(program, backend))
    return _held[1]
