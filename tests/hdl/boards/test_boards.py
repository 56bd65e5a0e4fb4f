import re

import pytest

from hdl.boards import BOARDS, get_board
from hdl.boards.ecp5 import ECP5_BOARDS
from hdl.target import get_target
from host.bitstream.trellis import options
from sim.rtl.design import target_verilog
from tests.hdl.boards.machines import small

#: Pins that the boards' schematics give: clock, line to the machine and from it.
PINS = {"ulx3s-85f": ("G2", "M1", "L4"), "ecpix5-85": ("K23", "R26", "R24"),
        "ecp5-5g-evn": ("A10", "P2", "P3")}


def plan_of(board):
    platform = board.platform()
    return platform, platform.prepare(board.top(board, small()), "neuflow_board", **options(1, []))


@pytest.mark.parametrize("board", ECP5_BOARDS, ids=lambda board: board.name)
def test_every_pin_is_a_port_and_every_port_has_a_pin(board):
    platform, plan = plan_of(board)
    constraints = plan.files["neuflow_board.lpf"]
    located = dict(re.findall(r'LOCATE COMP "(.*?)" SITE "(.*?)";', constraints))
    assert len(set(located.values())) == len(located)
    text = plan.files["neuflow_board.il"]
    top = text[text.index("module \\neuflow_board\n"):].partition("\nend\n")[0]
    ports = set(re.findall(r"^  wire (?:width \d+ )?(?:input|output|inout) +\d+ +\\(\S+)", top,
                           re.MULTILINE))
    assert {name.split("[")[0] for name in located} == ports
    clock, rx, tx = PINS[board.name]
    for pin, name in ((clock, f"{platform.default_clk}_0__io"), (rx, "uart_0__rx__io"),
                      (tx, "uart_0__tx__io")):
        assert located[name] == pin
    # Every pin has its voltage.
    assert constraints.count("IO_TYPE=") == len(located)


@pytest.mark.parametrize("board", ECP5_BOARDS, ids=lambda board: board.name)
def test_clocks_are_constrained(board):
    platform, plan = plan_of(board)
    source = platform.default_clk_frequency
    assert (f'FREQUENCY PORT "{platform.default_clk}_0__io" {source} HZ;'
            ) in plan.files["neuflow_board.lpf"]
    # From that nextpnr derives the machine's, as the PLL makes it.
    text = plan.files["neuflow_board.il"]
    pll = text[text.index("cell \\EHXPLLL"):].partition("\n  end\n")[0]
    divider = {name: int(value) for name, value in re.findall(r"(\w+_DIV) (\d+)", pll)}
    assert source * divider["CLKFB_DIV"] * divider["CLKOP_DIV"] == (
        small().clock_hz * divider["CLKI_DIV"] * divider["CLKOS_DIV"])
    assert '\\FEEDBK_PATH "CLKOP"' in pll and "connect \\CLKOS \\clk\n" in pll


@pytest.mark.parametrize("board", ECP5_BOARDS, ids=lambda board: board.name)
def test_the_machine_is_the_one_that_is_simulated(board):
    _, plan = plan_of(board)
    text = plan.files["neuflow_board.il"]
    ports = re.search(r"cell \\neuflow \\\S+\n(.*?)\n  end\n", text, re.DOTALL)[1]
    connected = set(re.findall(r"connect \\(\S+)", ports))
    machine = target_verilog(small(), link=board.link(small()))["neuflow.v"]
    header = re.search(r"module neuflow\((.*?)\);", machine, re.DOTALL)[1]
    assert connected == set(re.findall(r"\w+", header))


def test_names():
    assert all(board.name == name == get_board(name).name for name, board in BOARDS.items())
    assert all(get_target(board.target) for board in BOARDS.values())
    with pytest.raises(ValueError, match="^unknown board 'nix'; boards are ulx3s-85f, "):
        get_board("nix")
