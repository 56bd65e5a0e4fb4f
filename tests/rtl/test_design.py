import pytest

from hdl.link.parameters import Link
from hdl.target import get_target
from sim.rtl import design

TARGET = get_target("tiny")


@pytest.fixture
def generated(tmp_path, monkeypatch):
    """Count what is generated; the cache is empty."""
    monkeypatch.setenv("NEUFLOW_CACHE", str(tmp_path / "cache"))
    calls = []

    def generate(target, progress=None, link=None):
        calls.append(target.name)
        progress("one")
        return {"neuflow.v": f"// {target.name}" + (f" {link.divisor}" if link else "")}

    monkeypatch.setattr("hdl.verilog.generate", generate)
    return calls


def test_second_time_comes_from_the_cache(generated):
    told = []
    first = design.target_verilog(TARGET, told.append)
    assert told == ["Writing Verilog: module one"]
    assert design.target_verilog(TARGET) == first == {"neuflow.v": "// tiny"}
    assert design.target_verilog(get_target("ecp5-85k"))["neuflow.v"] == "// ecp5-85k"
    assert design.target_verilog(TARGET, link=Link(8))["neuflow.v"] == "// tiny 8"
    assert design.target_verilog(TARGET, link=Link(9))["neuflow.v"] == "// tiny 9"
    assert design.target_verilog(TARGET, link=Link(8))["neuflow.v"] == "// tiny 8"
    assert generated == ["tiny", "ecp5-85k", "tiny", "tiny"]


def test_other_sources_other_verilog(generated, monkeypatch):
    design.target_verilog(TARGET)
    monkeypatch.setattr(design, "_sources_digest", lambda: "edited")
    monkeypatch.setattr(design, "_unchanged", lambda: True)
    design.target_verilog(TARGET)
    design.target_verilog(TARGET)
    assert generated == ["tiny", "tiny"]


def test_damaged_or_missing_cache_is_no_error(generated, tmp_path, monkeypatch):
    design.target_verilog(TARGET)
    for path in (tmp_path / "cache").iterdir():
        path.write_text("{")
    design.target_verilog(TARGET)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEUFLOW_CACHE", str(tmp_path / "file"))
    assert design.target_verilog(TARGET) == {"neuflow.v": "// tiny"}
    assert len(generated) == 3
