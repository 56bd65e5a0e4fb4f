"""The convolver under Verilator: one compiled model a target, driven through ctypes."""

import ctypes
import functools
from ctypes import POINTER, Structure, c_int16, c_uint32, c_uint64, c_void_p
from pathlib import Path

import numpy as np
from amaranth.back import verilog

from hdl.convolver.convolver import Convolver
from hdl.registers import tile_units
from hdl.verilog import models
from sim.rtl.toolchain import Recipe, build

from .golden import packed_registers


class Source(Structure):
    _fields_ = [("words", POINTER(c_int16)), ("count", c_uint64), ("taken", c_uint64),
                ("stall", c_uint32)]


class Sink(Structure):
    _fields_ = [("words", POINTER(c_int16)), *((name, c_uint64) for name in (
        "room", "count", "first", "last", "withdrawn")), ("stall", c_uint32), ("shy", c_uint32)]


class Counts(Structure):
    _fields_ = [(name, c_uint64) for name in (
        "cycles", "active", "first_active", "last_active", "stall_input", "stall_weights",
        "stall_output", "saturated", "last_stall_weights")]


@functools.cache
def library(target):
    """Return the compiled model of a target's convolver."""
    text = verilog.convert(Convolver(target), name="convolver", emit_src=False,
                           strip_internal_attrs=True, platform=target.primitives or None)
    harness = Path(__file__).with_name("harness.cpp").read_text()
    path = build(Recipe(top="convolver", verilog={"convolver.v": text} | models(target),
                        cpp={"harness.cpp": harness}, product="convolver.so", shared=True))
    loaded = ctypes.CDLL(str(path))
    loaded.bench_new.restype = c_void_p
    loaded.bench_delete.argtypes = [c_void_p]
    loaded.bench_run.argtypes = [
        c_void_p, c_void_p, c_uint64, c_void_p, c_uint64, POINTER(Source), POINTER(Sink),
        c_uint32, c_uint64, POINTER(Counts)]
    return loaded


class Bench:
    """One convolver that keeps its state from step to step."""

    def __init__(self, target):
        self.library = library(target)
        self.handle = self.library.bench_new()
        units = tile_units(target, True)
        self.sizes = [-(-units[name].layout.size // 32) * 4 for name in ("convolver", "mac")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.bench_delete(self.handle)

    def run(self, step, *, stalls=(0, 0, 0, 0, 0), shy=False, seed=1, limit=10_000_000,
            registers=None):
        """Run a step; return busy at the end, both output streams, sources, sinks, counts.

        ``stalls`` are probabilities in 1/256 for a, b, weights, drain0 and drain1.
        """
        sources, sinks = (Source * 3)(), (Sink * 2)()
        keep = []
        for source, words, stall in zip(sources, [*step.inputs(), step.weights()], stalls[:3],
                                        strict=True):
            data = np.ascontiguousarray(words, dtype=np.int16)
            keep.append(data)
            source.words, source.count, source.stall = as_pointer(data), len(words), stall
        outputs = []
        for sink, words, stall in zip(sinks, step.outputs(), stalls[3:], strict=True):
            data = np.zeros(len(words) + 16, dtype=np.int16)
            outputs.append(data)
            sink.words, sink.room = as_pointer(data), len(data)
            sink.stall, sink.shy = stall, shy
        packed = [number.to_bytes(size, "little") for number, size in zip(
            registers or packed_registers(step), self.sizes, strict=True)]
        counts = Counts()
        busy = self.library.bench_run(
            self.handle, packed[0], len(packed[0]), packed[1], len(packed[1]), sources, sinks,
            seed, limit, counts)
        words = [data[:sink.count].tolist() for data, sink in zip(outputs, sinks, strict=True)]
        return Result(busy, words, sources, sinks, counts)


class Result:
    def __init__(self, busy, words, sources, sinks, counts):
        self.busy, self.words, self.counts = busy, words, counts
        self.sources, self.sinks = list(sources), list(sinks)

    def check(self, step):
        """Compare with the golden model; every word in, every word out, no offer withdrawn."""
        assert not self.busy, "still busy: a word was lost, or a deadlock"
        for stream, (got, wanted) in enumerate(zip(self.words, step.outputs(), strict=True)):
            assert len(got) == len(wanted), f"drain{stream}: {len(got)} words, not {len(wanted)}"
            wrong = [at for at, pair in enumerate(zip(got, wanted, strict=True))
                     if pair[0] != pair[1]]
            assert not wrong, (f"drain{stream}: {len(wrong)} of {len(wanted)} words are wrong, "
                               f"first word {wrong[0]}: {got[wrong[0]]}, not {wanted[wrong[0]]}")
        assert [source.taken for source in self.sources] == [
            source.count for source in self.sources]
        assert [sink.withdrawn for sink in self.sinks] == [0, 0]


def as_pointer(array):
    return array.ctypes.data_as(POINTER(c_int16))
