# amaranth: UnusedElaboratable=no
import re
import struct
from importlib import util

import pytest

from hdl.control.cpu import MEMORY_WORDS, Cpu, cpu_verilog
from hdl.control.cpu_registers import (
    CPU_REGISTERS,
    REGISTER_ADDRESS_WIDTH,
    REGISTER_BASE,
    c_header,
)
from hdl.control.firmware import HEX, build, firmware_words


def elf(segments):
    """Return a minimal ELF file with (type, address, content) segments."""
    image = bytearray(b"\x7fELF\x01\x01\x01" + bytes(45))
    struct.pack_into("<I", image, 28, 52)
    struct.pack_into("<HH", image, 42, 32, len(segments))
    offset = 52 + 32 * len(segments)
    for kind, address, content in segments:
        size = len(content)
        image += struct.pack("<8I", kind, offset, address, address, size, size, 5, 4)
        offset += len(content)
    return bytes(image + b"".join(content for _, _, content in segments))


def test_header_has_every_register_once_in_its_place():
    found = re.findall(r"#define REG_(\w+) REGISTER\(0x([0-9a-f]+)u\)", c_header())
    assert [(name, int(address, 16) - REGISTER_BASE) for name, address in found] \
        == [(register.name, register.address) for register in CPU_REGISTERS]
    assert CPU_REGISTERS[-1].address < 1 << REGISTER_ADDRESS_WIDTH


def test_committed_header_is_what_the_description_gives():
    assert (HEX.parent / "registers.h").read_text() == c_header()


def test_committed_firmware_fits():
    words = firmware_words()
    assert 100 < len(words) < MEMORY_WORDS
    assert HEX.read_text() == "".join(f"{word:08x}\n" for word in words)


@pytest.mark.skipif(util.find_spec("ziglang") is None, reason="needs the firmware's compiler")
def test_firmware_is_what_the_sources_give():
    assert build.main(["--check"]) == 0


def test_check_names_what_differs(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(build, "build", lambda folder: (c_header(), "00000000\n"))
    assert build.main(["--check"]) == 1
    assert capsys.readouterr().err.startswith("firmware.hex is not what the sources give; build ")


def test_build_writes_both_files(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "build", lambda folder: ("header", "00000001\n"))
    monkeypatch.setattr(build, "_FOLDER", tmp_path)
    monkeypatch.setattr(build, "HEX", tmp_path / "firmware.hex")
    assert build.main([]) == 0
    assert (tmp_path / "registers.h").read_text() == "header"
    assert (tmp_path / "firmware.hex").read_text() == "00000001\n"


def test_missing_compiler_is_named(monkeypatch, capsys):
    monkeypatch.setattr(build.util, "find_spec", lambda name: None)
    assert build.main([]) == 1
    assert capsys.readouterr().err.startswith("the firmware's compiler is missing; install it ")


def test_elf_segments_become_words():
    image = elf([(1, 0, b"\1\0\0\0\2\0\0\0"), (2, 0, b"skip"), (1, 12, b"\3\0\0\0\4")])
    assert build.load_elf(image) == [1, 2, 0, 3, 4]


def test_other_files_are_refused():
    with pytest.raises(ValueError, match="must be a 32-bit little-endian ELF file"):
        build.load_elf(b"\x7fELF\x02\x01" + bytes(60))
    with pytest.raises(ValueError, match=r"^the firmware must end at address 0x1000, not 0x1004$"):
        build.load_elf(elf([(1, 0x1000, b"1234")]))


def test_processor_source_exists_and_memory_has_its_size():
    text, = (path.read_text() for path in cpu_verilog())
    assert "module VexRiscv (" in text
    with pytest.raises(ValueError, match=r"^firmware must have at most 1024 words, not 1025$"):
        Cpu([0] * 1025)
