"""Cycles of five convolutions on one convolver of 100 MACs, next to NNgen's accelerators.

::

    python benchmarks/peers.py [--nngen PYTHON] [--only NUMBER ...] [--json] [-o TABLE.txt]

NNgen (https://github.com/NNgen/nngen) turns a network into Verilog, too. Both get the same ONNX
file, compute in 16 bits, and run under the same Verilator behind the same model of memory: start
to end, all samples and weights moved. With an interpreter that has NNgen (``make bench-peers``
makes one) its accelerators are generated and run; what was measured before is printed in any case.
"""

import argparse
import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _peer import generate, run
from onnx import TensorProto, helper, numpy_helper

from compiler.compile import compile_model
from hdl.target import Memory, get_target
from host import files, render
from host.console import ProgressDisplay
from host.device import open_device

#: One convolver of `virtex6-lx240t` and its partner, two DMA ports, a quarter of its memory:
#: 64 bits, 8 bytes a cycle, of which 85 % are delivered after 40 cycles.
TARGET = dataclasses.replace(
    get_target("virtex6-lx240t"), name="one-convolver", rows=1, columns=2, convolvers=(0,),
    dma_tiles=(0, 1), data_width=64, memory=Memory(size=1 << 24, peak=1_600_000_000))


@dataclass(frozen=True)
class Case:
    """A convolution without padding, and NNgen's accelerators for it.

    Parameters
    ----------
    inputs, size, maps, kernel : int
        Input maps, rows and columns of each, output maps, rows and columns of a kernel.
    attributes : dict of str to int
        Of NNgen's `conv2d`: how many multipliers work side by side.
    cited : tuple of int
        Cycles and multipliers of an accelerator that NNgen made elsewhere.
    """

    inputs: int
    size: int
    maps: int
    kernel: int
    attributes: dict
    cited: tuple[int, int]

    @property
    def name(self):
        """What the table calls it."""
        return (f"{self.kernel}x{self.kernel}, {self.inputs} -> {self.maps} maps, "
                f"{self.size}x{self.size}")

    @property
    def macs(self):
        """Multiply-accumulates of the result."""
        return (self.inputs * self.maps * self.kernel ** 2
                * (self.size - self.kernel + 1) ** 2)

    @property
    def multipliers(self):
        """Multipliers of NNgen's accelerator."""
        return self.kernel ** 2 * int(np.prod(list(self.attributes.values())))

    def model(self):
        """Return the ONNX file, its weights random."""
        rng = np.random.default_rng(self.size)
        kernel = (self.kernel, self.kernel)
        result = self.size - self.kernel + 1
        weights = rng.normal(size=(self.maps, self.inputs, *kernel)) / self.kernel
        constants = {"weights": weights, "bias": rng.normal(size=self.maps)}
        graph = helper.make_graph(
            [helper.make_node("Conv", ["x", *constants], ["y"], "conv", kernel_shape=kernel)],
            "convolution",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT,
                                           (1, self.maps, result, result))],
            [numpy_helper.from_array(value.astype(np.float32), name)
             for name, value in constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
        model.ir_version = 8
        return model.SerializeToString()

    @property
    def shape(self):
        """ONNX shape of the input."""
        return 1, self.inputs, self.size, self.size

    def samples(self):
        """Return a random int16 input of the ONNX shape."""
        return np.random.default_rng(1).integers(-3000, 3000, self.shape).astype(np.int16)


CASES = (
    Case(1, 28, 6, 5, {"par_col": 4}, (4_737, 50)),
    Case(6, 12, 16, 5, {"par_och": 4}, (3_225, 100)),
    Case(1, 46, 16, 7, {"par_col": 2}, (87_993, 98)),
    Case(4, 64, 16, 10, {"par_och": 1}, (214_617, 100)),
    Case(64, 58, 64, 3, {"par_och": 8}, (1_702_081, 72)),
)


@dataclass(frozen=True)
class Measured:
    """A run of ours, in cycles.

    Parameters
    ----------
    cycles : int
        From the host's start to the end of the program.
    first : int
        The same in the first run after reset, which fills the processor's instruction cache.
    start : int
        Until the first step is committed.
    steps : int
        Of all steps, from commit to end.
    active : int
        Multiply-accumulates of the result.
    """

    cycles: int
    first: int
    start: int
    steps: int
    active: int

    @property
    def busy(self):
        """Share of the MACs that worked on the result, over all cycles."""
        return self.active / (self.cycles * TARGET.macs)


def measure(case, target=TARGET, progress=None):
    """Run a case on the RTL, compared with the reference on every bit.

    Raises
    ------
    RuntimeError
        If they differ.
    """
    samples = case.samples().astype(np.float32) / 256
    program = compile_model(case.model(), target, {"x": samples}, progress)
    inputs, results = {"x": samples}, {}
    for backend in ("reference", "rtl"):
        with open_device(target, backend, progress=progress) as device:
            device.load(program)
            results[backend] = device.run(inputs, raw=True)
            if backend == "rtl":
                first = device.counters()["cycles"]
                results[backend] = device.run(inputs, raw=True)
                cycles, records = device.counters()["cycles"], device.steps()
    for name, expected in results["reference"].items():
        if not np.array_equal(results["rtl"][name], expected):
            raise RuntimeError(f"{case.name}: RTL and reference differ")
    return Measured(cycles, first, records[0].commit, sum(step.cycles for step in records),
                    case.macs)


def measure_peer(case, python, progress=None):
    """Let NNgen make the accelerator of a case, and run it; return a `PeerRun`."""
    made = generate(python, case.model(), case.samples(), case.attributes)
    return run(*made, memory=TARGET.memory, clock_hz=TARGET.clock_hz, progress=progress)


def table(rows):
    """Return the table of (case, Measured, PeerRun or None)."""
    headers = ("convolution", "ours", "MACs", "busy", "NNgen, here", "multipliers",
               "NNgen, cited", "multipliers")
    cells = []
    for case, ours, peer in rows:
        here = (f"{peer.cycles:,}", case.multipliers) if peer else ("-", "-")
        cells.append((case.name, f"{ours.cycles:,}", TARGET.macs, f"{ours.busy:.1%}", *here,
                      f"{case.cited[0]:,}", case.cited[1]))
    return render.table(headers, cells, numbers=headers[1:])


def data(case, ours, peer):
    """Return a row as a dict."""
    entry = {"name": case.name, "macs": case.macs, "ours": {**vars(ours), "busy": ours.busy},
             "cited": dict(zip(("cycles", "multipliers"), case.cited, strict=True))}
    if peer:
        entry["nngen"] = {**vars(peer), "multipliers": case.multipliers,
                          "attributes": case.attributes}
    return entry


def main():
    """Print the table, and write it to a file."""
    parser = argparse.ArgumentParser(description="Measure convolutions next to NNgen's.")
    parser.add_argument("--nngen", type=Path, metavar="PYTHON",
                        help="interpreter that has NNgen (default: only cite)")
    parser.add_argument("--only", type=int, nargs="+", choices=range(1, len(CASES) + 1),
                        default=range(1, len(CASES) + 1), help="cases to run (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/benchmarks/peers.txt"),
                        help="file for the table (default: build/benchmarks/peers.txt)")
    arguments = parser.parse_args()
    files.check_output(arguments.output, make_folder=True)
    rows = []
    with ProgressDisplay() as progress:
        for case in (CASES[number - 1] for number in arguments.only):
            peer = measure_peer(case, arguments.nngen, progress) if arguments.nngen else None
            rows.append((case, measure(case, progress=progress), peer))
    heading = "Cycles from start to end, all data moved: one convolver and NNgen's accelerators"
    with files.replacing(arguments.output) as path, path.open("w") as file:
        render.show(heading, table(rows), file=file)
    if arguments.json:
        print(json.dumps([data(*row) for row in rows], indent=2))
    else:
        print(arguments.output.read_text(), end="")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(str(error))
