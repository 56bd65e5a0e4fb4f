"""Runs an accelerator that NNgen generated behind the memory model that NeuFlow runs behind."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.rtl.machine import Machine

__all__ = ["PeerError", "PeerRun", "generate", "run"]

_GENERATOR = Path(__file__).with_name("_nngen.py")

#: Byte addresses of NNgen's registers.
_START, _BUSY = 16, 20

#: Bits of NNgen's data bus: what its own examples have.
BUS = 32

#: Channels of the ports that NNgen has: names, with their width where it is not 1.
_OUT, _IN = "output", "input"
_AXI = ((_OUT, ("awaddr", 32), ("awlen", 8), ("awsize", 3), ("awburst", 2), ("awvalid", 1)),
        (_IN, ("awready", 1)),
        (_OUT, ("wdata", BUS), ("wstrb", BUS // 8), ("wlast", 1), ("wvalid", 1)),
        (_IN, ("wready", 1), ("bresp", 2), ("bvalid", 1)),
        (_OUT, ("bready", 1), ("araddr", 32), ("arlen", 8), ("arsize", 3), ("arburst", 2),
         ("arvalid", 1)),
        (_IN, ("arready", 1), ("rdata", BUS), ("rresp", 2), ("rlast", 1), ("rvalid", 1)),
        (_OUT, ("rready", 1)))
_LITE = ((_IN, ("awaddr", 32), ("awvalid", 1), ("wdata", 32), ("wstrb", 4), ("wvalid", 1),
          ("bready", 1), ("araddr", 32), ("arvalid", 1), ("rready", 1)),
         (_OUT, ("awready", 1), ("wready", 1), ("bresp", 2), ("bvalid", 1), ("arready", 1),
          ("rdata", 32), ("rresp", 2), ("rvalid", 1)))
#: Ports that our harness has and NNgen has not.
_IDS = ((_OUT, ("awid", 1), ("arid", 1)), (_IN, ("bid", 1), ("rid", 1)))


class PeerError(RuntimeError):
    """NNgen could not be run, or computed something else than its own model."""


@dataclass(frozen=True)
class PeerRun:
    """What a run took: cycles from the write of its start register until it is not busy."""

    cycles: int
    bytes_read: int
    bytes_written: int


def wrapper():
    """Return the Verilog of a top module with the ports of ours around NNgen's module `peer`."""
    def named(prefix, groups):
        return [(kind, f"{prefix}_{name}", width) for kind, *ports in groups
                for name, width in ports]

    axi, lite = named("axi", _AXI), named("axil", _LITE)
    inner = [("m_" + name, "m" + name) for _, name, _ in axi]
    inner += [("s_" + name, "saxi" + name.removeprefix("axil")) for _, name, _ in lite]
    ports = [(_IN, "clk", 1), (_IN, "rst", 1)]
    ports += [(kind, "m_" + name, width) for kind, name, width in axi + named("axi", _IDS)]
    ports += [(kind, "s_" + name, width) for kind, name, width in lite]
    wires = ", ".join([".CLK(clk)", ".RESETN(~rst)",
                       *(f".{theirs}({ours})" for ours, theirs in inner)])
    return "\n".join([
        f"module peer_top({', '.join(name for _, name, _ in ports)});",
        *(f"  {kind} {f'[{width - 1}:0] ' if width > 1 else ''}{name};"
          for kind, name, width in ports),
        "  assign m_axi_awid = 0;",
        "  assign m_axi_arid = 0;",
        f"  peer peer ({wires});",
        "endmodule", ""])


def run(verilog, image, expected, output, *, memory, clock_hz, progress=None):
    """Run an accelerator once.

    Parameters
    ----------
    verilog : str
        Of module `peer`, with NNgen's ports.
    image : numpy.ndarray
        Bytes of its memory before the run.
    expected : numpy.ndarray
        Bytes that it must write.
    output : int
        Byte address of these.
    memory : hdl.target.Memory
        Size, bandwidth and latency of its memory.
    clock_hz : int
        What the bandwidth refers to.
    progress : callable, optional
        See `sim.rtl.machine.Machine`.

    Returns
    -------
    PeerRun

    Raises
    ------
    PeerError
        If it does not end or writes anything else.
    """
    # Large, and simulated once: compiling it well takes longer than it saves.
    with Machine({"peer_top.v": wrapper(), "peer.v": verilog}, memory=memory, clock_hz=clock_hz,
                 data_width=BUS, top="peer_top", progress=progress, optimise="-O0") as machine:
        machine.memory[:len(image)] = image
        begin = machine.cycle
        machine.write32(_START, 1)
        # As NNgen's own driver does: until it has taken the start, then until it is not busy.
        if not (machine.run_while(_START, 1, limit=1000, interval=1)
                and machine.run_while(_BUSY, 1, limit=20_000_000, interval=1)):
            raise PeerError("the accelerator does not end")
        cycles = machine.cycle - begin
        if not np.array_equal(machine.memory[output:output + len(expected)], expected):
            raise PeerError("the accelerator writes other samples than NNgen's model computes")
        return PeerRun(cycles, *machine.traffic)


def generate(python, model, samples, attributes):
    """Let NNgen make the accelerator of a model.

    Parameters
    ----------
    python : path
        Interpreter that has NNgen.
    model : bytes
        ONNX file.
    samples : numpy.ndarray
        int16 input of the ONNX shape.
    attributes : dict of str to int
        Of NNgen's `conv2d`, such as ``par_och``.

    Returns
    -------
    tuple
        verilog, image, expected and output, for `run`.

    Raises
    ------
    PeerError
        If there is no such interpreter or NNgen fails; the message ends with what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "model.onnx").write_bytes(model)
        np.save(folder / "input.npy", samples)
        try:
            answer = subprocess.run(
                [str(Path(python).absolute()), str(_GENERATOR), "model.onnx", "input.npy", ".",
                 json.dumps({"attributes": attributes, "bus": BUS})],
                cwd=folder, capture_output=True, text=True)
        except OSError as error:
            raise PeerError(f"{python} cannot be run: {error.strerror}; `make bench-peers` makes "
                            "an interpreter that has NNgen") from None
        if answer.returncode:
            raise PeerError(f"NNgen fails under {python}:\n{answer.stderr.strip()[-2000:]}")
        output = json.loads((folder / "peer.json").read_text())["output"]
        return ((folder / "peer.v").read_text(), np.load(folder / "memory.npy"),
                np.load(folder / "output.npy"), output)
