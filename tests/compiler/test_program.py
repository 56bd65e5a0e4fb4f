import io
import json
import os
import re
import zipfile
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from compiler import program as program_module
from compiler.compile import compile_model
from compiler.errors import ProgramError
from compiler.lower.predict import STEP_GAP
from compiler.program import Program
from hdl.target import TARGETS
from tests.compiler.models import network, random_inputs


@pytest.fixture(scope="module")
def program():
    proto, shapes = network()
    return compile_model(proto, "tiny", random_inputs(shapes, samples=4))


def repack(content, members, *, drop=()):
    """Return a program's zip with other members, added or replaced."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        kept = {name: old.read(name) for name in old.namelist() if name not in drop}
        for name, member in {**kept, **members}.items():
            new.writestr(name, member)
    return buffer.getvalue()


def edit(content, change):
    """Return a program whose manifest was edited, its digest made right again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    change(manifest)
    manifest["digest"] = program_module._digest(manifest)
    return repack(content, {"manifest.json": json.dumps(manifest)})


def same(first, second):
    assert type(first) is type(second)
    for name, value in vars(first).items():
        other = getattr(second, name)
        if isinstance(value, np.ndarray):
            assert value.dtype == other.dtype
            np.testing.assert_array_equal(value, other)
        else:
            assert value == other


def test_what_is_saved_is_loaded(program, tmp_path):
    path = tmp_path / "net.neuflow"
    program.save(path)
    loaded = Program.load(path)
    assert (loaded.target, loaded.fingerprint) == ("tiny", TARGETS["tiny"].fingerprint)
    assert loaded.image == program.image
    assert loaded.manifest == program.manifest
    for before, after in zip(program.graph.nodes, loaded.graph.nodes, strict=True):
        same(before, after)
    for name in ("tensors", "inputs", "outputs", "input_shapes", "output_shapes"):
        assert getattr(program.graph, name) == getattr(loaded.graph, name)
    assert loaded.predicted_cycles == program.predicted_cycles > sum(
        step["predicted_cycles"] for step in program.manifest["steps"])


def test_equal_programs_are_equal_files(program, tmp_path):
    proto, shapes = network()
    again = compile_model(proto, "tiny", random_inputs(shapes, samples=4))
    assert again.to_bytes() == program.to_bytes()
    assert Program.from_bytes(program.to_bytes()).to_bytes() == program.to_bytes()


def test_saving_leaves_nothing_half_written(program, tmp_path, monkeypatch):
    path = tmp_path / "net.neuflow"
    path.write_bytes(b"before")

    def fail(*arguments):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            program.save(path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["net.neuflow"]
    program.save(path)
    assert os.listdir(tmp_path) == ["net.neuflow"]
    with pytest.raises(OSError):
        program.save(tmp_path / "missing" / "net.neuflow")


def test_manifest_names_inputs_and_outputs(program):
    entry, = program.manifest["inputs"]
    assert (entry["name"], entry["shape"], entry["maps"]) == ("x", [1, 3, 8, 8], [3, 8, 8])
    assert [output["name"] for output in program.manifest["outputs"]] == ["y", "z"]
    for output in program.manifest["outputs"]:
        assert output["address"] > 0
        assert output["fraction"] == program.graph.tensors[output["name"]].fraction


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(100)])
def test_refuses_what_is_no_zip(content, tmp_path):
    path = tmp_path / "net.neuflow"
    path.write_bytes(content)
    with pytest.raises(ProgramError, match=rf"^{re.escape(str(path))}: not a NeuFlow program, or "):
        Program.load(path)


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(ProgramError, match="net.neuflow: cannot be read: No such file"):
        Program.load(tmp_path / "net.neuflow")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_refuses_a_truncated_file(program, share):
    content = program.to_bytes()
    with pytest.raises(ProgramError, match="truncated"):
        Program.from_bytes(content[:int(len(content) * share)])


@pytest.mark.parametrize("name", ["manifest.json", "image.bin", "graph.json", "graph.npz"])
def test_refuses_a_missing_member(program, name):
    with pytest.raises(ProgramError, match=f"it has no single {name}"):
        Program.from_bytes(repack(program.to_bytes(), {}, drop=[name]))


def test_refuses_other_members(program):
    with pytest.raises(ProgramError, match=r"it has other content, extra\.txt"):
        Program.from_bytes(repack(program.to_bytes(), {"extra.txt": b"hello"}))


@pytest.mark.parametrize("name", ["image.bin", "graph.json", "graph.npz"])
def test_refuses_an_altered_member(program, name):
    content = program.to_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        member = bytearray(archive.read(name))
    member[len(member) // 2] ^= 1
    with pytest.raises(ProgramError, match=f"program: {name} was altered: its SHA-256 is "):
        Program.from_bytes(repack(content, {name: bytes(member)}))


def test_refuses_an_altered_manifest(program):
    content = program.to_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read("manifest.json")
    assert b'"fraction"' in text
    for other in (text.replace(b'"y"', b'"q"'), text[:-10], b"\xff", b"[]", b"{}"):
        with pytest.raises(ProgramError, match=r"manifest\.json (was altered|does not state)"):
            Program.from_bytes(repack(content, {"manifest.json": other}))


def test_every_changed_byte_is_refused_or_harmless(program):
    content, random = program.to_bytes(), Random(1)
    for place in [*range(60), *(random.randrange(len(content)) for _ in range(150)),
                  *range(len(content) - 60, len(content))]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.randrange(8)
        try:
            loaded = Program.from_bytes(bytes(damaged))
        except ProgramError:
            continue
        # Dates and the like in the archive's own records change nothing.
        assert loaded.to_bytes() == content


def test_refuses_another_version(program):
    content = edit(program.to_bytes(), lambda manifest: manifest.update(version=99))
    with pytest.raises(ProgramError, match="is of version 99, this NeuFlow reads version 1"):
        Program.from_bytes(content)


def test_refuses_an_unknown_target(program):
    content = edit(program.to_bytes(), lambda manifest: manifest.update(target="huge"))
    with pytest.raises(ProgramError, match="target 'huge', which is not installed; .* tiny, "):
        Program.from_bytes(content)


def test_refuses_another_fingerprint(program):
    other = replace(program, fingerprint=0x123456789ABCDEF0)
    installed = f"{TARGETS['tiny'].fingerprint:016x}"
    with pytest.raises(ProgramError, match=f"fingerprint 123456789abcdef0, .* has {installed}; "
                                           "rebuild it: neuflow compile MODEL --target tiny$"):
        Program.from_bytes(other.to_bytes())


def test_refuses_a_manifest_without_its_fields(program):
    content = edit(program.to_bytes(), lambda manifest: manifest.pop("steps"))
    with pytest.raises(ProgramError, match="altered: it lacks steps"):
        Program.from_bytes(content)


def test_refuses_a_graph_that_is_none(program):
    text = b'{"nodes": [{"class": "Surprise"}]}'

    def change(manifest):
        manifest["members"]["graph.json"] = {
            "bytes": len(text), "sha256": program_module._sha256(text)}

    content = repack(edit(program.to_bytes(), change), {"graph.json": text})
    with pytest.raises(ProgramError, match="the graph in it cannot be read"):
        Program.from_bytes(content)


def test_packets_of_a_long_list_hold_a_short_step_up():
    def predicted(control):
        steps = [{"predicted_cycles": cycles, "load_cycles": 70, "control_cycles": ready}
                 for cycles, ready in ((1000, control), (100, 0))]
        return Program("tiny", 0, {"steps": steps}, b"", None).predicted_cycles

    assert predicted(0) == predicted(1000) > 1170
    assert predicted(5000) - predicted(0) == 4000 - STEP_GAP
