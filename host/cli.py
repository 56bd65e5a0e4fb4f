"""The command `neuflow`: options in, one line about an error out; the work is done elsewhere."""

import json
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from hdl.boards import BOARDS

from . import commands
from .accuracy import compare_file
from .bench_layers import LayersBench
from .bench_scene import SceneBench
from .bitstream.board import TRIES, build_board
from .board import describe_board
from .check import check_file
from .console import ProgressDisplay
from .demo import Demo
from .estimate import estimate_file
from .outcome import describe, user_errors
from .profile import profile_file
from .simulated_board import simulate_board
from .verify import verify_file
from .verilog import write_verilog

__all__ = ["app", "main"]


class _Group(TyperGroup):
    """Turns every error that is the user's to mend into one line on stderr and exit code 2."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has seen enough: not an error of the command.
            raise
        except user_errors() as error:
            typer.echo(f"neuflow: error: {describe(error)}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(cls=_Group, add_completion=False, no_args_is_help=True,
                  pretty_exceptions_enable=False, context_settings={"max_content_width": 100})

Model = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="Network.")]
Data = Annotated[Path, typer.Argument(
    metavar="DATA", help="Inputs by name, samples first (.npz), or the only one (.npy).")]
OtherData = Annotated[Path | None, typer.Option(
    "--calibration", metavar="DATA.npz", help="Other inputs to choose the binary points by.")]
Snr = Annotated[float, typer.Option(
    "--snr", metavar="DB", help="SNR below which float and fixed point are said to part.")]
Method = Annotated[str, typer.Option(
    metavar="M", help="Choose binary points by: range (largest value) or mse (least mean square).")]
Target = Annotated[str, typer.Option("--target", metavar="T", help="Machine, as listed by "
                                     "`neuflow targets`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Trace = Annotated[Path | None, typer.Option("--trace", metavar="FILE", help="Write a wave file "
                                            "(.fst or .vcd); only with RTL.")]
Jobs = Annotated[int, typer.Option(metavar="N", help="Processes that share the runs.")]
Timeout = Annotated[float | None, typer.Option(
    "--timeout", metavar="S", help="Seconds for an answer of the board.")]
Dask = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers "
                                          "share the runs, as tcp://HOST:8786.")]

_TRANSPORT_HELP = "Where the board is: serial:DEVICE@BAUD or tcp:HOST:PORT."


def _print(result, as_json):
    """Print a command's result: its JSON value, or what it shows to people."""
    if as_json:
        typer.echo(json.dumps(result.data, indent=2))
    else:
        result.show()


def _version(wanted):
    if wanted:
        typer.echo(f"neuflow {metadata.version('neuflow')}")
        raise typer.Exit


@app.callback()
def _options(version: Annotated[bool, typer.Option(
        "--version", callback=_version, is_eager=True, help="Print the version.")] = False):
    """Compile convolutional networks for NeuFlow machines and run them."""


@app.command("compile")
def _compile(
        model: Model,
        target: Target = "tiny",
        calibration: Annotated[Path | None, typer.Option(
            metavar="DATA.npz", help="Inputs by name, samples first, to choose the binary points "
            "by.")] = None,
        output: Annotated[Path | None, typer.Option(
            "-o", "--output", metavar="OUT.neuflow",
            help="Program to write (default: the model's name in this folder).")] = None,
        method: Method = "range",
        report: Annotated[Path | None, typer.Option(
            metavar="DIR", help="Folder for a report, one HTML page.")] = None,
        verify: Annotated[bool, typer.Option(
            "--verify/--no-verify", help="Write the program only if the verifier proves it.")] =
        True,
        as_json: Json = False):
    """Compile an ONNX model to a program."""
    with ProgressDisplay() as progress:
        result = commands.compile_file(model, target=target, calibration=calibration,
                                       output=output, method=method, report=report,
                                       verify=verify, progress=progress)
    _print(result, as_json)


@app.command("estimate")
def _estimate(
        model: Model,
        target: Target = "tiny",
        calibration: Annotated[Path | None, typer.Option(
            metavar="DATA.npz", help="Inputs by name, samples first (default: random).")] = None,
        as_json: Json = False):
    """Predict cycles, memory and what bounds each layer, without building hardware."""
    with ProgressDisplay() as progress:
        result = estimate_file(model, target=target, calibration=calibration, progress=progress)
    _print(result, as_json)


@app.command("compare")
def _compare(
        model: Model,
        data: Data,
        target: Target = "tiny",
        calibration: OtherData = None,
        method: Method = "range",
        threshold: Snr = 30.0,
        as_json: Json = False):
    """Compare a network in float and in 16 bits, layer by layer."""
    with ProgressDisplay() as progress:
        result = compare_file(model, data, target=target, calibration=calibration, method=method,
                              threshold=threshold, progress=progress)
    _print(result, as_json)


@app.command("check")
def _check(
        model: Model,
        data: Data,
        target: Target = "tiny",
        layers: Annotated[str | None, typer.Option(
            metavar="A..B", help="Only these layers, on the reference's tensors.")] = None,
        calibration: OtherData = None,
        method: Method = "range",
        sample: Annotated[int, typer.Option(metavar="N", help="Which sample of DATA.")] = 0,
        threshold: Snr = 30.0,
        up_to: Annotated[str, typer.Option(
            metavar="V", help="Last view: reference, functional or rtl.")] = "rtl",
        trace: Annotated[Path | None, typer.Option(
            metavar="FILE", help="Wave file around the place where the RTL parts (default: "
            "the model's name with .check.fst).")] = None,
        as_json: Json = False):
    """Find where float, reference, functional machine and RTL part."""
    with ProgressDisplay() as progress:
        result = check_file(model, data, target=target, layers=layers, calibration=calibration,
                            method=method, sample=sample, threshold=threshold, up_to=up_to,
                            trace=trace, progress=progress)
    _print(result, as_json)
    if not result.agrees:
        raise typer.Exit(1)


@app.command("run")
def _run(
        program: Annotated[Path, typer.Argument(metavar="PROGRAM.neuflow", help="Program.")],
        inputs: Annotated[Path, typer.Argument(
            metavar="INPUT", help="Inputs by name (.npz) or the only input (.npy).")],
        output: Annotated[Path | None, typer.Option(
            "-o", "--output", metavar="OUT.npz", help="Write the outputs by name.")] = None,
        backend: Annotated[str, typer.Option(
            metavar="B", help=f"What runs it: {', '.join(commands.BACKENDS)}.")] = "rtl",
        raw: Annotated[bool, typer.Option(
            "--raw", help="Give the 16-bit samples, not real values.")] = False,
        trace: Trace = None,
        jobs: Jobs = 1,
        dask: Dask = None,
        transport: Annotated[str | None, typer.Option(
            metavar="WHERE", help=_TRANSPORT_HELP + " Only with --backend board.")] = None,
        timeout: Timeout = None,
        as_json: Json = False):
    """Run a program on an input."""
    with ProgressDisplay() as progress:
        result = commands.run_file(program, inputs, output=output, backend=backend, raw=raw,
                                   trace=trace, jobs=jobs, dask=dask, transport=transport,
                                   timeout=timeout, progress=progress)
    _print(result, as_json)


@app.command("board")
def _board(
        transport: Annotated[str, typer.Option(metavar="WHERE", help=_TRANSPORT_HELP)],
        timeout: Timeout = None,
        as_json: Json = False):
    """Ask a board who it is, how it is and what it has counted."""
    _print(describe_board(transport, timeout), as_json)


@app.command("simulate")
def _simulate(
        target: Target = "tiny",
        listen: Annotated[str, typer.Option(
            metavar="HOST:PORT", help="Where to wait for clients; port 0 takes any that is "
            "free.")] = "127.0.0.1:0",
        trace: Annotated[Path | None, typer.Option(
            metavar="FILE", help="Write a wave file (.fst or .vcd), complete at the end.")] = None,
        as_json: Json = False):
    """Simulate a board: the machine with its byte link, behind a TCP port."""
    with ProgressDisplay() as progress:
        simulate_board(target, listen, trace=trace, as_json=as_json, progress=progress)


@app.command("profile")
def _profile(
        program: Annotated[Path, typer.Argument(metavar="PROGRAM.neuflow", help="Program.")],
        inputs: Annotated[Path, typer.Argument(
            metavar="INPUT", help="Inputs by name (.npz) or the only input (.npy).")],
        backend: Annotated[str, typer.Option(
            metavar="B", help="rtl counts cycles, functional predicts them.")] = "rtl",
        trace_events: Annotated[Path | None, typer.Option(
            metavar="FILE.json", help="Write trace events for Perfetto or Chrome.")] = None,
        as_json: Json = False):
    """Tell where the cycles of a run go: by layer, tile and port, stalls by cause."""
    with ProgressDisplay() as progress:
        result = profile_file(program, inputs, backend=backend, trace_events=trace_events,
                              progress=progress)
    _print(result, as_json)


@app.command("verify")
def _verify(
        program: Annotated[Path, typer.Argument(metavar="PROGRAM.neuflow", help="Program.")],
        as_json: Json = False):
    """Prove anew, from a program's file alone, that nothing overflows, overlaps or deadlocks."""
    with ProgressDisplay() as progress:
        result = verify_file(program, progress)
    _print(result, as_json)
    if not result.agrees:
        raise typer.Exit(1)


@app.command("verilog")
def _verilog(
        target: Target = "tiny",
        output: Annotated[Path | None, typer.Option(
            "-o", "--output", metavar="DIR",
            help="Folder to write to (default: build/verilog/TARGET).")] = None,
        link: Annotated[int | None, typer.Option(
            metavar="DIVISOR", help="Add a serial link with so many cycles a bit.")] = None,
        baud: Annotated[int | None, typer.Option(
            metavar="N", help="Add a serial link of N baud at the target's clock.")] = None,
        no_bus: Annotated[bool, typer.Option(
            "--no-bus", help="Leave out the AXI4-Lite port; only with a link.")] = False):
    """Write a target's Verilog, a file a module, with its description."""
    with ProgressDisplay() as progress:
        written = write_verilog(target, output, progress, divisor=link, baud=baud,
                                bus=not no_bus)
    for path in written:
        typer.echo(path)


@app.command("build")
def _build(
        board: Annotated[str, typer.Option("--board", metavar="B", help="Board: "
                                           f"{', '.join(BOARDS)}.")],
        output: Annotated[Path | None, typer.Option(
            "-o", "--output", metavar="DIR",
            help="Folder to write to (default: build/boards/B).")] = None,
        target: Annotated[str | None, typer.Option(
            "--target", metavar="T", help="Another machine than the one made for the board.")] =
        None,
        seed: Annotated[int, typer.Option(
            metavar="N", help="First start of the router's random numbers to try.")] = 1,
        tries: Annotated[int, typer.Option(
            metavar="N", help="How many to try until one reaches the clock.")] = TRIES,
        jobs: Annotated[int | None, typer.Option(
            metavar="N", help="How many to try at a time, each in 2 to 3 GiB of memory (default: "
                              "one a core, at most 2).")] = None,
        as_json: Json = False):
    """Build a bitstream for a board, or a project for its vendor's tools."""
    with ProgressDisplay() as progress:
        result = build_board(board, output or Path("build/boards", board), target=target,
                             seed=seed, tries=tries, jobs=jobs, progress=progress)
    _print(result, as_json)


@app.command("area")
def _area(
        target: Target = "virtex6-lx240t",
        liberty: Annotated[Path | None, typer.Option(
            metavar="FILE", help="Map to the standard cells of a Liberty file: areas of logic, "
                                 "and the memories.")] = None,
        as_json: Json = False):
    """Count what a target takes of its device, and its levels of logic, by Yosys."""
    with ProgressDisplay() as progress:
        result = commands.measure_area(target, liberty, progress)
    _print(result, as_json)


@app.command("targets")
def _targets(as_json: Json = False):
    """List the machines that programs can be compiled for."""
    _print(commands.list_targets(), as_json)


@app.command("demo")
def _demo(
        digits: Annotated[int, typer.Option(
            metavar="N", help="Test digits to classify on the RTL.")] = 20,
        target: Target = "tiny",
        trace: Annotated[Path | None, typer.Option(
            metavar="FILE", help="Wave file of one digit, .fst or .vcd (default: "
            "build/demo/lenet5.fst for tiny, none for larger machines).")] = None,
        as_json: Json = False):
    """Classify digits with LeNet-5 on the simulated hardware and compare every bit."""
    with ProgressDisplay() as progress:
        result = Demo(digits, trace, progress, target, quiet=as_json).run()
    if as_json:
        typer.echo(json.dumps(result.data, indent=2))
    if not result.agrees:
        raise typer.Exit(1)


_bench = typer.Typer(no_args_is_help=True, help="Measure cycles on the simulated hardware.")
app.add_typer(_bench, name="bench")


@_bench.command("scene")
def _bench_scene(
        target: Target = "virtex6-lx240t",
        height: Annotated[int, typer.Option(metavar="H", help="Rows of the frame.")] = 240,
        width: Annotated[int, typer.Option(metavar="W", help="Columns of the frame.")] = 320,
        maps: Annotated[tuple[int, int, int] | None, typer.Option(
            metavar="A B C", help="Maps of the three stages of an untrained network.")] = None,
        picture: Annotated[Path, typer.Option(
            metavar="FILE", help="Picture of the labels to write (.png).")] =
        Path("build/bench/scene.png"),
        as_json: Json = False):
    """Label a scene on the RTL; where every cycle goes, and whether all bits are right."""
    with ProgressDisplay() as progress:
        result = SceneBench(target, height, width, maps, picture, progress).run()
    _print(result, as_json)
    if not result.agrees:
        raise typer.Exit(1)


@_bench.command("layers")
def _bench_layers(
        target: Target = "virtex6-lx240t",
        network: Annotated[str | None, typer.Option(
            metavar="NAME", help="vgg16 or alexnet (default: both).")] = None,
        full: Annotated[bool, typer.Option(
            "--full", help="Run long layers with all their input maps.")] = False,
        as_json: Json = False):
    """Run the convolution layers of known networks on the RTL, and compare every bit."""
    with ProgressDisplay() as progress:
        result = LayersBench(target, network, full, progress).run()
    _print(result, as_json)
    if not result.agrees:
        raise typer.Exit(1)


def main():
    """Run the command."""
    app(prog_name="neuflow")
