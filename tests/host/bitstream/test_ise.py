import re
import shutil
import subprocess

import pytest

from hdl.boards import BoardError, get_board
from hdl.target import XILINX, get_target
from hdl.verilog import models
from host.bitstream.board import build
from host.bitstream.tools import find
from sim.rtl.toolchain import run_verilator
from tests.hdl.boards.machines import small

MACHINE = small(clock_hz=200_000_000, data_width=256, primitives=XILINX)

#: What Xilinx' tools bring and the project only instantiates.
STUBS = """
(* blackbox *) module BUFG (input I, output O); endmodule
(* blackbox *) module IBUF (input I, output O); endmodule
(* blackbox *) module IBUFDS (input I, input IB, output O); endmodule
(* blackbox *) module OBUFT (input I, input T, output O); endmodule
(* blackbox *) module FDPE #(parameter INIT = 1) (input C, input CE, input D, input PRE, output Q);
endmodule
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project of a small machine with the board's clock and bus."""
    folder = tmp_path_factory.mktemp("ml605") / "project"
    built = build(get_board("ml605"), MACHINE, folder, (1,), 1, lambda *_: None)
    assert {path.name for path in folder.iterdir()} == {*built.files, "build.json"}
    return folder


def header(text, module):
    """Return the ports of a module: name to (direction, bits)."""
    body = text[text.index(f"module {module}"):].partition("endmodule")[0]
    return {name: (direction, int(high or 0) + 1) for direction, high, name in re.findall(
        r"^\s*(input|output|inout)(?: wire)? (?:\[(\d+):0\] )?(\w+)[;,\n]", body, re.MULTILINE)}


def core_stub(project):
    """Return the memory controller's core as a black box, its ports those that are connected."""
    text = (project / "ddr3_controller.v").read_text()
    outside = header(text, "ddr3_controller")
    ports = []
    for port, value in re.findall(r"\.(\w+)\((.*?)\)[,\n]", text):
        direction, bits = outside.get(value, ("input", 4 if "qos" in port else 1))
        ports.append(f"{direction} [{bits - 1}:0] {port}")
    return f"(* blackbox *) module mig ({', '.join(ports)}); endmodule\n"


def test_every_constrained_pin_is_a_port(project):
    ports = header((project / "neuflow_board.v").read_text(), "neuflow_board")
    constraints = (project / "neuflow_board.ucf").read_text()
    located = dict(re.findall(r'NET "(.*?)" LOC=(\w+);', constraints))
    assert set(re.findall(r'NET "(.*?)"', constraints)) == set(located) <= set(ports)
    # What has no pin here has its pin in the memory controller's constraints.
    assert all(name.startswith("ddr3_") for name in set(ports) - set(located))
    # UG534: clock, reset button, line to the machine and from it.
    assert located == located | {
        "clk200_0__p": "J9", "clk200_0__n": "H9", "rst_0__io": "H10", "uart_0__rx__io": "J24",
        "uart_0__tx__io": "J25"}
    assert 'PERIOD "PRDclk200_0__p" 5.0 ns' in constraints


def test_controller_takes_all_of_the_memory_port(project):
    text = (project / "ddr3_controller.v").read_text()
    ports = header(text, "ddr3_controller")
    machine = header((project / "neuflow.v").read_text(), "neuflow")
    memory = {name.removeprefix("m_"): port for name, port in machine.items()
              if name.startswith("m_axi_")}
    assert {name.removeprefix("s_") for name in ports if name.startswith("s_axi_")} == set(memory)
    for name, (direction, bits) in memory.items():
        other, width = ports[f"s_{name}"]
        assert {direction, other} == {"input", "output"}
        assert width == (29 if name in ("axi_awaddr", "axi_araddr") else bits), name
    pins = header((project / "neuflow_board.v").read_text(), "neuflow_board")
    assert {name: ports[name] for name in ports if name.startswith("ddr3_")} == {
        name: pins[name] for name in pins if name.startswith("ddr3_")}


def test_lists_name_every_source(project):
    sources = {path.name for path in project.glob("*.v")}
    listed = re.findall(r'verilog work "(.*?)"', (project / "neuflow_board.prj").read_text())
    assert sorted(listed) == sorted(sources)
    script = (project / "build.tcl").read_text()
    assert sources <= set(re.findall(r"^    (\S+\.v)$", script, re.MULTILINE))
    assert "-p xc6vlx240tff1156-1" in (project / "neuflow_board.xst").read_text()


def test_verilator_and_yosys_read_it(project, tmp_path):
    for path in project.glob("*.v"):
        shutil.copy(path, tmp_path)
    (tmp_path / "core.v").write_text(core_stub(project))
    sources = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / "cells.v").write_text("".join([STUBS, *models(MACHINE).values()]))
    answer = run_verilator(["--lint-only", "--quiet", "--top-module", "neuflow_board", "-Wno-lint",
                            "-Wno-style", "cells.v", *sources], tmp_path)
    assert answer.returncode == 0 and not answer.stdout, answer.stdout
    # Yosys has the ports of all cells of the family. It sees no folder but the one it runs in.
    script = ("read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v; "
              f"read_verilog {' '.join(sources)}; hierarchy -check -top neuflow_board")
    done = subprocess.run([find("yosys"), "-q", "-p", script], cwd=tmp_path, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr


def test_scripts_stop_without_the_controller(project):
    done = subprocess.run(["sh", str(project / "build.sh")], text=True, capture_output=True)
    assert done.returncode == 2
    assert done.stderr == ("build.sh: there is no mig/user_design/rtl: README.md, step 1, says how "
                           "to make it\n")
    assert not (project / "whole.prj").exists()


def test_page_states_the_cores_settings(project):
    page = (project / "README.md").read_text()
    assert "| AXI data width, ID width, address width | 256, 3, 29 |" in page
    assert "have not been run" in page
    assert "{{" not in page


def test_machine_for_another_clock(tmp_path):
    with pytest.raises(BoardError, match="^ml605 gives its machine a clock of 200 MHz and a "
                       "memory bus of 256 bits; tiny is made for 100 MHz and 64 bits$"):
        build(get_board("ml605"), get_target("tiny"), tmp_path / "out", (1,), 1, lambda *_: None)
    assert not (tmp_path / "out").exists()
