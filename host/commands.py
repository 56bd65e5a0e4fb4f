"""What the commands that take a program or a target do, from paths and options to a result."""

import contextlib
import functools
from pathlib import Path

from hdl.target import TARGETS, get_target

from . import files, render
from .batch import run_batch
from .device import BACKENDS, open_device
from .outcome import Result, UsageError, named_target

__all__ = ["BACKENDS", "compile_file", "list_targets", "measure_area", "run_file"]

#: Most values of an output that are printed for people.
_SHOWN = 16


def compile_file(model, *, target="tiny", calibration=None, output=None, method="range",
                 report=None, verify=True, progress=None):
    """Compile a model to a program file.

    Parameters
    ----------
    model : path-like
        ONNX file.
    target : str
        Name of the machine.
    calibration : path-like or None
        ``.npz`` file of inputs by name.
    output : path-like or None
        Program to write (default: the model's name in the current folder).
    method : str
        A name in `compiler.quantise.METHODS`.
    report : path-like or None
        Folder for the report, an HTML page called as the program.
    verify : bool
        Write the program only if the verifier proves it.
    progress : callable or None
        Called with a text as each stage begins.

    Returns
    -------
    Result
        Where the program is, its steps and its tensors.

    Raises
    ------
    Exception
        One of `user_errors`; then no file was made or changed.
    """
    from compiler.compile import compile_model

    from .verify import prove

    output = Path(output) if output else Path(Path(model).with_suffix(".neuflow").name)
    named_target(target)
    files.check_output(output)
    arrays = files.read_arrays(calibration) if calibration else None
    program = compile_model(Path(model), target, arrays, progress, method=method)
    seconds = prove(program, progress) if verify else None
    page = None
    if report:
        # Before the program: nothing is left behind if the folder cannot be written.
        from .report import write_report

        page = write_report(program, report, output.stem)
    program.save(output)
    manifest = program.manifest
    data = {"program": str(output), "report": page and str(page), "target": program.target,
            "fingerprint": f"{program.fingerprint:016x}", "image_bytes": len(program.image),
            "predicted_cycles": program.predicted_cycles, "verified": verify,
            "verify_seconds": seconds,
            **{key: manifest[key]
               for key in ("inputs", "outputs", "steps", "host", "quantisation")}}
    steps = [(step["number"], step["layer"], f"{step['macs']:,}", f"{step['predicted_cycles']:,}")
             for step in manifest["steps"]]
    quantisation = manifest["quantisation"]
    return Result(data, (
        (f"{output}: for {program.target}, {len(program.image):,} bytes, about "
         f"{program.predicted_cycles:,} cycles a run "
         f"({_milliseconds(program.predicted_cycles, program.target):.3g} ms)"),
        render.table(("step", "layer", "MACs", "predicted cycles"), steps,
                     numbers=("MACs", "predicted cycles")),
        f"proved by the verifier in {seconds:.2f} s" if verify else "not verified",
        *_quantisation_parts(quantisation),
        *([f"report: {page}"] if page else ())))


def _quantisation_parts(quantisation):
    """Yield what quantisation chose, for people: the tensors worst off, notes and warnings."""
    tensors = [entry for entry in quantisation["tensors"] if entry["snr_db"] is not None]
    if tensors:
        worst = min(tensors, key=lambda entry: entry["snr_db"])
        clipped = [entry for entry in tensors if entry["clipped"]]
        yield (f"points by {quantisation['method']}: formats keep {worst['snr_db']:.1f} dB and "
               f"more (least: {worst['name']} of layer {worst['layer']}, "
               f"Q{15 - worst['fraction']}.{worst['fraction']}); {len(clipped)} of "
               f"{len(quantisation['tensors'])} tensors clip calibration data" + (
                   f", {max(entry['clipped'] for entry in clipped):.2%} of one at most"
                   if clipped else ""))
    yield from (f"note: {note}" for note in quantisation["notes"])
    yield from (f"warning: {warning}" for warning in quantisation["warnings"])


def _milliseconds(cycles, target):
    return 1e3 * cycles / get_target(target).clock_hz


def run_file(program, inputs, *, output=None, backend="rtl", raw=False, trace=None, jobs=1,
             dask=None, transport=None, timeout=None, progress=None):
    """Run a program file on an input file.

    Parameters
    ----------
    program, inputs : path-like
        The program; its inputs by name (``.npz``), or the only one (``.npy``).
    output : path-like or None
        ``.npz`` file to write the outputs to.
    backend : str
        A name in `BACKENDS`.
    raw : bool
        Give 16-bit samples, not real values.
    trace : path-like or None
        Wave file to write.
    jobs : int
        Processes that share the runs of a batch.
    dask : str or None
        Address of a Dask scheduler whose workers share them instead.
    transport : str or None
        Where the board is, see `host.transports.connect`.
    timeout : float or None
        Seconds for an answer of the board.
    progress : callable or None
        Told how far the work is.

    Returns
    -------
    Result
        Outputs, cycles and steps; with several workers, the cycles of each run.

    Raises
    ------
    Exception
        One of `user_errors`; then no file was made or changed.
    """
    from compiler.program import Program

    _check_backend(backend, trace, jobs, dask, transport, timeout)
    if output is not None:
        files.check_output(output, (".npz",))
    program = Program.load(program)
    arrays = files.read_arrays(inputs, program.graph.inputs)
    if jobs != 1 or dask:
        return _run_many(program, arrays, backend, jobs, dask, raw, output, progress)
    with contextlib.ExitStack() as stack:
        waves = stack.enter_context(files.replacing(trace)) if trace else None
        if progress and backend in ("rtl", "board"):
            progress = functools.partial(progress, unit="cycles")
        device = stack.enter_context(open_device(
            program, backend, progress=progress, trace=waves, transport=transport,
            timeout=timeout))
        outputs = device.run(arrays, raw=raw)
        if output is not None:
            files.write_arrays(output, outputs)
        counters, steps, status = device.counters(), device.steps(), device.status()
    return _run_result(program, backend, outputs, counters, steps, status, output, trace)


def _check_backend(backend, trace, jobs, dask, transport, timeout):
    """Refuse options of `run_file` that do not go together."""
    if backend not in BACKENDS:
        raise UsageError(f"unknown backend {backend!r}; backends are {', '.join(BACKENDS)}")
    together = "--dask" if dask else "--jobs" if jobs != 1 else None
    if trace is not None:
        if backend != "rtl":
            raise UsageError(f"--trace {trace}: backend {backend} has no waves; use --backend rtl")
        if together:
            raise UsageError(f"--trace {trace}: a wave file shows one simulation; leave out "
                             f"{together}")
        files.check_output(trace, files.TRACE_SUFFIXES)
    if backend != "board":
        for option, value in (("--transport", transport), ("--timeout", timeout)):
            if value is not None:
                raise UsageError(f"{option} {value}: backend {backend} is no board; use --backend "
                                 "board")
        return
    from .transports.connect import FORMS, parse

    if transport is None:
        raise UsageError(f"--backend board needs --transport: {FORMS}")
    parse(transport)
    if together:
        raise UsageError(f"--backend board: one board runs one program at a time; leave out "
                         f"{together}")


def _run_many(program, arrays, backend, jobs, dask, raw, output, progress):
    result = run_batch(program, arrays, backend, jobs=jobs, dask=dask, raw=raw, progress=progress)
    if output is not None:
        files.write_arrays(output, result.outputs)
    mean = round(sum(result.cycles) / len(result.cycles)) if result.cycles else None
    data, parts = _described(program, backend, result.outputs, mean, result.saturated, output)
    if result.cycles:
        parts.insert(-1 if output else len(parts), f"that is the mean of {len(result.cycles)} runs")
    return Result({**data, "run_cycles": result.cycles}, tuple(parts))


def _run_result(program, backend, outputs, counters, steps, status, output, trace):
    data, parts = _described(program, backend, outputs, counters.get("cycles"), status.saturated,
                             output)
    data |= {
        "steps": [{"number": step.number, "layer": step.layer, "cycles": step.cycles,
                   "predicted_cycles": step.predicted_cycles, "counters": step.counters}
                  for step in steps],
        "counters": counters, "trace_file": trace and str(trace)}
    return Result(data, (*parts, *([f"wrote {trace}"] if trace else ())))


def _described(program, backend, outputs, cycles, saturated, output):
    """Return what is told of any run: data, and parts for people."""
    fractions = {tensor["name"]: tensor["fraction"] for tensor in program.manifest["outputs"]}
    predicted = program.predicted_cycles if backend == "functional" else None
    data = {
        "target": program.target, "backend": backend, "cycles": cycles,
        "milliseconds": _milliseconds(cycles, program.target) if cycles else None,
        "predicted_cycles": predicted,
        "saturated_tiles": [tile for tile in range(32) if saturated >> tile & 1],
        "outputs": {name: {"shape": list(array.shape), "dtype": str(array.dtype),
                           "fraction": fractions[name],
                           **({} if output else {"values": array.tolist()})}
                    for name, array in outputs.items()},
        "output_file": output and str(output),
    }
    parts = [f"{name} {list(array.shape)}: {_values(array)}" for name, array in outputs.items()]
    for count, what in ((cycles, "cycles"), (predicted, "cycles predicted")):
        if count:
            parts.append(f"{count:,} {what} on {program.target} "
                         f"({_milliseconds(count, program.target):.3g} ms at its clock)")
    if data["saturated_tiles"]:
        parts.append(f"samples saturated in tiles {data['saturated_tiles']}")
    if output:
        parts.append(f"wrote {output}")
    return data, parts


def _values(array):
    flat = array.ravel()
    shown = " ".join(f"{value:.6g}" for value in flat[:_SHOWN].tolist())
    return shown if flat.size <= _SHOWN else f"{shown} ... ({flat.size:,} values)"


def list_targets():
    """Return the machines that exist, as a `Result`."""
    described = [{
        "name": target.name, "fingerprint": f"{target.fingerprint:016x}",
        "rows": target.rows, "columns": target.columns,
        "convolvers": len(target.convolvers), "macs": len(target.convolvers) * target.macs,
        "multipliers": target.multipliers, "dma_ports": target.ports,
        "clock_hz": target.clock_hz, "memory_bytes": target.memory.size,
        "memory_peak_bytes_per_second": target.memory.peak,
    } for target in TARGETS.values()]
    rows = [(
        one["name"], f"{one['rows']}x{one['columns']}",
        f"{one['convolvers']} x {one['macs'] // one['convolvers']}", one["multipliers"],
        one["dma_ports"], render.units(one["clock_hz"], "Hz"),
        render.binary_units(one["memory_bytes"], "B"),
        render.units(one["memory_peak_bytes_per_second"], "B/s"), one["fingerprint"],
    ) for one in described]
    headers = ("target", "grid", "MACs", "multipliers", "ports", "clock", "memory", "peak",
               "fingerprint")
    return Result(described, (render.table(headers, rows, numbers=headers[2:8]),))


def measure_area(target, liberty=None, progress=None):
    """Count what a target takes of its device, or of silicon, by component.

    Parameters
    ----------
    target : str
        Name of the target.
    liberty : Path or None
        A library of standard cells to map to; else to the cells of the target's device.
    progress : callable or None
        Called with a text for each component.

    Returns
    -------
    Result
        Components and their sum.

    Raises
    ------
    UsageError
        If there is no such target.
    FileError
        If the library is not a Liberty file that can be read.
    ToolchainError
        If Yosys is missing or fails.
    """
    target = named_target(target)
    from .area.cell_report import measure_cells
    from .area.report import measure

    area = measure_cells(target, liberty, progress) if liberty else measure(target, progress)
    return Result(area.data, area.parts)
