"""Builds the firmware: ``python -m hdl.control.firmware.build [--check]``.

Writes `registers.h` and `firmware.hex`, which are committed; with ``--check`` compares instead.
The compiler is clang of the PyPI package ziglang (``pip install ziglang``), at the version in
constraints.txt: its output depends on nothing else.
"""

import argparse
import struct
import subprocess
import sys
import tempfile
from importlib import util
from pathlib import Path

from ..cpu import MEMORY_WORDS
from ..cpu_registers import c_header
from . import HEX

__all__ = ["build", "load_elf", "main"]

_FOLDER = Path(__file__).parent
_SOURCES = ("start.S", "main.c")
_FLAGS = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+zicsr", "-mabi=ilp32",
          "-std=c11", "-Os", "-ffreestanding", "-fno-builtin", "-fno-sanitize=all", "-nostdlib",
          "-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables",
          "-Wall", "-Wextra", "-Werror", "-Wl,--build-id=none", "-s")


def load_elf(image):
    """Return the words of a 32-bit little-endian ELF file's segments, from address 0 on.

    Parameters
    ----------
    image : bytes
        The file.

    Raises
    ------
    ValueError
        If it is another kind of file, or does not fit the memory of the processor.
    """
    if image[:6] != b"\x7fELF\x01\x01":
        raise ValueError("the firmware must be a 32-bit little-endian ELF file")
    table, = struct.unpack_from("<I", image, 28)
    size, count = struct.unpack_from("<HH", image, 42)
    memory = bytearray()
    for index in range(count):
        kind, start, _, address, stored = struct.unpack_from("<IIIII", image, table + index * size)
        if kind != 1 or not stored:
            continue
        end = address + stored
        if end > 4 * MEMORY_WORDS:
            raise ValueError(f"the firmware must end at address {4 * MEMORY_WORDS:#x}, "
                             f"not {end:#x}")
        memory.extend(bytes(max(0, end - len(memory))))
        memory[address:end] = image[start:start + stored]
    memory.extend(bytes(-len(memory) % 4))
    return list(struct.unpack(f"<{len(memory) // 4}I", memory))


def build(folder):
    """Compile the firmware in ``folder`` and return (text of the header, text of the hex file).

    Raises
    ------
    RuntimeError
        If the compiler is missing or refuses the source.
    """
    if util.find_spec("ziglang") is None:
        raise RuntimeError("the firmware's compiler is missing; install it with: "
                           "pip install --constraint constraints.txt ziglang")
    folder = Path(folder)
    header = c_header()
    (folder / "registers.h").write_text(header, encoding="ascii")
    for name in (*_SOURCES, "firmware.ld"):
        (folder / name).write_bytes((_FOLDER / name).read_bytes())
    answer = subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", *_FLAGS, "-Wl,-T,firmware.ld", "-o",
         "firmware.elf", *_SOURCES], cwd=folder, capture_output=True, text=True)
    if answer.returncode:
        raise RuntimeError(f"the compiler refuses the firmware:\n{answer.stderr.strip()}")
    words = load_elf((folder / "firmware.elf").read_bytes())
    return header, "".join(f"{word:08x}\n" for word in words)


def main(arguments=None):
    """Build or check; return the exit status."""
    parser = argparse.ArgumentParser(prog="hdl.control.firmware.build", description=__doc__)
    parser.add_argument("--check", action="store_true",
                        help="compare with the committed files and change nothing")
    check = parser.parse_args(arguments).check
    with tempfile.TemporaryDirectory() as folder:
        try:
            texts = build(folder)
        except (RuntimeError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
    status = 0
    for path, text in zip((_FOLDER / "registers.h", HEX), texts, strict=True):
        if not check:
            path.write_text(text, encoding="ascii")
        elif not path.exists() or path.read_text(encoding="ascii") != text:
            print(f"{path.name} is not what the sources give; build it again with: "
                  "python -m hdl.control.firmware.build", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
