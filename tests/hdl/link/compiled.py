"""The link server under Verilator, with registers and memory behind it, driven through ctypes."""

import ctypes
import functools
from ctypes import POINTER, byref, c_char_p, c_int64, c_uint32, c_uint64, c_void_p
from pathlib import Path

import numpy as np
from amaranth.back import verilog

from hdl.link.server import LinkServer
from sim.rtl.toolchain import Recipe, build

#: Registers and words of memory that exist, and where memory begins.
REGISTERS, WORDS, BASE = 1024, 4096, 0x10000


@functools.cache
def _library():
    text = verilog.convert(LinkServer(32), name="link", emit_src=False,
                           strip_internal_attrs=True)
    harness = Path(__file__).with_name("harness.cpp").read_text()
    path = build(Recipe(top="link", verilog={"link.v": text}, cpp={"harness.cpp": harness},
                        product="link.so", shared=True))
    library = ctypes.CDLL(str(path))
    library.bench_new.restype = c_void_p
    library.bench_new.argtypes = [c_void_p, c_uint32, c_void_p, c_uint32, c_uint32, c_uint32]
    library.bench_delete.argtypes = [c_void_p]
    library.bench_exchange.restype = c_int64
    library.bench_exchange.argtypes = [c_void_p, c_char_p, c_uint64, c_char_p, c_uint64, c_uint64,
                                       c_uint64]
    library.bench_write.argtypes = [c_void_p, POINTER(c_uint32), POINTER(c_uint32)]
    return library


class CompiledServer:
    """A server and what it can reach; a context manager."""

    def __init__(self, seed):
        self.registers = np.zeros(REGISTERS, np.uint32)
        self.memory = np.zeros(WORDS, np.uint32)
        self._library = _library()
        self._handle = self._library.bench_new(
            self.registers.ctypes.data, REGISTERS, self.memory.ctypes.data, BASE, WORDS, seed)
        self._got = ctypes.create_string_buffer(1 << 16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._library.bench_delete(self._handle)

    def exchange(self, data, quiet=60, limit=200_000):
        """Send bytes; return those that have come once the line has been at rest for a while."""
        count = self._library.bench_exchange(
            self._handle, bytes(data), len(data), self._got, len(self._got), quiet, limit)
        assert 0 <= count <= len(self._got), "the line does not come to rest"
        return self._got.raw[:count]

    def writes(self):
        """Return the writes since the last call: (address, word)."""
        found, address, word = [], c_uint32(), c_uint32()
        while self._library.bench_write(self._handle, byref(address), byref(word)):
            found.append((address.value, word.value))
        return found
