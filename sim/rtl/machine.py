"""The machine in simulation: its Verilog compiled into a loop in C++, with external memory.

The loop, the memory and the master of the AXI4-Lite port are C++ (`harness.cpp`,
`memory_model.h`); this module builds them with the design, loads the library and drives it.
"""

import ctypes
import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .design import target_verilog
from .sharing import shared_code, with_reset_register
from .toolchain import Recipe, build

__all__ = ["Machine", "MachineError", "MemoryBehaviour", "recipe"]

_HERE = Path(__file__).parent

#: Source files of the harness, by the name they are compiled under.
_SOURCES = {name: name for name in ("harness.cpp", "memory_model.h", "serial_line.h")}
#: The FST writer asks for these two libraries.
_FST_SOURCES = {"lz4.h": "fst_lz4.h", "zlib.h": "fst_zlib.h"}

_TRACE_FLAGS = {".fst": "--trace-fst", ".vcd": "--trace-vcd"}


class MachineError(RuntimeError):
    """The simulated machine broke a bus protocol, or did not answer."""


@dataclass(frozen=True)
class MemoryBehaviour:
    """How the external memory behaves beyond its size, latency and bandwidth.

    Parameters
    ----------
    stall : float
        Probability that a channel of the AXI4 port pauses in a cycle.
    disorder : bool
        Answer bursts of different IDs in random order, their beats mixed.
    seed : int
        Seed of both.
    hang : tuple of int or None
        (low, high): bursts whose first byte is in low .. high - 1 are not answered, until `behave`
        says otherwise.
    hang_id : int or None
        Of those, only bursts with this ID.
    outstanding : int
        Bursts accepted and not yet answered, each of reads and of writes.
    """

    stall: float = 0.0
    disorder: bool = False
    seed: int = 1
    hang: tuple[int, int] | None = None
    hang_id: int | None = None
    outstanding: int = 32

    def __post_init__(self):
        if not 0 <= self.stall < 1:
            raise ValueError(f"stall must be in [0, 1), not {self.stall}")
        if self.outstanding < 1:
            raise ValueError(f"outstanding must be at least 1, not {self.outstanding}")


class _MemoryConfig(ctypes.Structure):
    """`MemoryConfig` of memory_model.h."""

    _fields_ = [(name, ctypes.c_int64 if name == "hang_id" else ctypes.c_uint64)
                for name in ("size", "rate", "latency", "outstanding", "seed", "stall",
                             "disorder", "hang_id", "hang_low", "hang_high")]


def recipe(verilog, *, top="neuflow", trace=None, optimise=None, divisor=0):
    """Return how the simulation of a set of Verilog files is built.

    Parameters
    ----------
    verilog : dict of str to str
        Texts of the files, by name.
    top : str
        The top module, with the ports that docs/architecture.md lists.
    trace : str, optional
        Wave files of this kind can be written: ".fst" or ".vcd". Without, it runs faster.
    optimise : str, optional
        Optimisation of the compiler, such as "-O0" for what is large and runs once.
    divisor : int
        Cycles a bit of the design's serial line, 0 if it has none.
    """
    if trace is not None and trace not in _TRACE_FLAGS:
        raise ValueError(f"a wave file must end in {' or '.join(_TRACE_FLAGS)}, not {trace!r}")
    names = _SOURCES | (_FST_SOURCES if trace == ".fst" else {})
    flags = ["--x-assign", "fast", "--x-initial", "fast", "--no-timing", "--no-assert",
             "--timescale-override", "1ps/1ps", "-O3", "--output-split", "20000",
             # What these two make differs from instance to instance.
             "-fno-dfg-scoped", "-fno-table"]
    if trace:
        flags += [_TRACE_FLAGS[trace], "--trace-max-width", "1024"]
    whole = f"{top}_simulated"
    verilog = {"sharing.vlt": shared_code(verilog, top), **verilog,
               f"{whole}.v": with_reset_register(verilog, top, whole)}
    return Recipe(
        top=whole, verilog=verilog, product="libneuflow.so", shared=True,
        cpp={name: (_HERE / source).read_text() for name, source in names.items()},
        verilator_flags=tuple(flags), compiler_flags=("-DNDEBUG", f"-DNEUFLOW_DIVISOR={divisor}"),
        optimise=optimise or ("-O1" if trace else "-O3"))


@functools.cache
def _load(path):
    """Load a simulation's library and declare its functions."""
    library = ctypes.CDLL(path)
    machine, number = ctypes.c_void_p, ctypes.c_uint64
    word, pointer = ctypes.c_uint32, ctypes.POINTER
    for name, result, arguments in (
            ("bus_bytes", ctypes.c_uint, []),
            ("create", machine, [ctypes.c_void_p, pointer(_MemoryConfig)]),
            ("destroy", None, [machine]),
            ("configure", None, [machine, pointer(_MemoryConfig)]),
            ("reset", ctypes.c_int, [machine, number]),
            ("run", ctypes.c_int, [machine, number]),
            ("read", ctypes.c_int, [machine, word, pointer(word)]),
            ("write", ctypes.c_int, [machine, word, word]),
            ("run_while", ctypes.c_int, [machine, word, word, word, number, number,
                                         pointer(ctypes.c_int)]),
            ("line_send", None, [machine, ctypes.c_char_p, number]),
            ("line_pending", number, [machine]),
            ("line_run", ctypes.c_int, [machine, number]),
            ("line_receive", number, [machine, ctypes.c_char_p, number]),
            ("cycle", number, [machine]),
            ("traffic", None, [machine, pointer(number), pointer(number)]),
            ("error", ctypes.c_char_p, [machine]),
            ("trace_open", None, [machine, ctypes.c_char_p, number])):
        function = getattr(library, f"neuflow_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Machine:
    """A simulated machine with its external memory; a context manager.

    The first use builds the simulation (tens of seconds); afterwards it comes from the cache.
    It starts reset, its memory zero.

    Parameters
    ----------
    verilog : dict of str to str
        Verilog files of the design.
    memory : hdl.target.Memory
        Size, bandwidth and latency of the external memory.
    clock_hz : int
        Clock of the grid: what bandwidth and the times in wave files refer to.
    data_width : int
        Bits of the AXI4 data bus, checked against the design.
    behaviour : MemoryBehaviour
        Stalls and hangs of the memory.
    trace : path, optional
        Wave file, `.fst` or `.vcd`, written until `close`.
    trace_later : bool
        Begin the wave file when `begin_trace` is called, not at once.
    top : str
        Name of the top module.
    progress : callable, optional
        ``progress(what, fraction)`` while the simulation is built.
    optimise : str, optional
        See `recipe`.
    link : Link, optional
        The design's serial link; it has an AXI4-Lite port beside it.

    Attributes
    ----------
    memory : numpy.ndarray
        Bytes of the external memory, shared with the simulation.

    Raises
    ------
    ToolchainError
        If the simulation cannot be built.
    OSError
        If the wave file cannot be written.
    """

    def __init__(self, verilog, *, memory, clock_hz, data_width, behaviour=None, trace=None,
                 trace_later=False, top="neuflow", progress=None, optimise=None, link=None):
        self._handle = None
        if link is not None and not link.bus:
            raise ValueError("the simulation reaches registers by the AXI4-Lite port; make the "
                             "link with a bus beside it")
        path = Path(trace) if trace is not None else None
        if path and path.suffix in _TRACE_FLAGS:
            path.write_bytes(b"")  # before the build: fails at once where it cannot be written
        made = recipe(verilog, top=top, trace=path.suffix if path else None, optimise=optimise,
                      divisor=link.divisor if link else 0)
        product = build(made, progress)
        self._library = _load(str(product))
        width = 8 * self._library.neuflow_bus_bytes()
        if width != data_width:
            raise ValueError(f"the Verilog has a data bus of {width} bits, not {data_width}")
        self.data_width = data_width
        self._size, self._latency = memory.size, memory.latency
        self._rate = round(memory.peak * memory.efficiency / clock_hz * (1 << 16))
        self.behaviour = behaviour or MemoryBehaviour()
        # NumPy takes fresh pages from the system: untouched memory costs nothing.
        self.memory = np.zeros(memory.size, np.uint8)
        self._handle = self._library.neuflow_create(self.memory.ctypes.data, self._config())
        self._trace, self._half_period = path, max(1, round(1e12 / clock_hz / 2))
        if not trace_later:
            self.begin_trace()
        self.reset()

    @classmethod
    def for_target(cls, target, **options):
        """Make the machine of a `Target`; the options are those of the class."""
        # Logic in place of the device's cells: it does the same, faster.
        verilog = target_verilog(replace(target, primitives=""), options.get("progress"),
                                 options.get("link"))
        return cls(verilog, memory=target.memory, clock_hz=target.clock_hz,
                   data_width=target.data_width, **options)

    def _config(self):
        behaviour = self.behaviour
        low, high = behaviour.hang or (0, (1 << 33) if behaviour.hang_id is not None else 0)
        return _MemoryConfig(
            size=self._size, rate=self._rate, latency=self._latency,
            outstanding=behaviour.outstanding, seed=behaviour.seed,
            stall=round(behaviour.stall * 65536), disorder=behaviour.disorder,
            hang_id=-1 if behaviour.hang_id is None else behaviour.hang_id,
            hang_low=low, hang_high=high)

    def _check(self, fine):
        if not fine:
            raise MachineError(self._library.neuflow_error(self._handle).decode())

    def begin_trace(self):
        """Begin the wave file, if the machine was made with one."""
        if self._trace is not None:
            self._library.neuflow_trace_open(self._handle, str(self._trace).encode(),
                                             self._half_period)

    def behave(self, **changes):
        """Change fields of the memory's `MemoryBehaviour`; it answers bursts that hang no more."""
        self.behaviour = replace(self.behaviour, **changes)
        self._library.neuflow_configure(self._handle, self._config())

    def reset(self, cycles=4):
        """Hold the machine in reset for some cycles; memory keeps its content."""
        self._check(self._library.neuflow_reset(self._handle, cycles))

    def run(self, cycles):
        """Run a number of cycles."""
        self._check(self._library.neuflow_run(self._handle, cycles))

    def run_while(self, address, value, *, mask=0xFFFFFFFF, limit, interval=64):
        """Run while a register holds a value.

        Parameters
        ----------
        address : int
            Byte address of the register.
        value, mask : int
            Runs on while ``register & mask == value``.
        limit : int
            Most cycles to run.
        interval : int
            Cycles between two looks.

        Returns
        -------
        bool
            Whether the register changed within the limit.
        """
        changed = ctypes.c_int()
        self._check(self._library.neuflow_run_while(self._handle, address, mask, value, interval,
                                                    limit, changed))
        return bool(changed.value)

    def read32(self, address):
        """Read a register through the AXI4-Lite port."""
        value = ctypes.c_uint32()
        self._check(self._library.neuflow_read(self._handle, address, value))
        return value.value

    def write32(self, address, value):
        """Write a register through the AXI4-Lite port."""
        self._check(self._library.neuflow_write(self._handle, address, value))

    def line_send(self, data):
        """Queue bytes for the machine's serial line; they go as time passes."""
        self._library.neuflow_line_send(self._handle, bytes(data), len(data))

    @property
    def line_pending(self):
        """Bytes queued for the serial line that have not gone as a whole."""
        return self._library.neuflow_line_pending(self._handle)

    def run_line(self, cycles):
        """Run at most so many cycles; fewer when the serial line brings bytes and then pauses."""
        self._check(self._library.neuflow_line_run(self._handle, cycles))

    def line_receive(self, most=1 << 16):
        """Return the bytes that the serial line has brought since the last call."""
        data = ctypes.create_string_buffer(most)
        count = self._library.neuflow_line_receive(self._handle, data, most)
        return data.raw[:count]

    @property
    def cycle(self):
        """Cycles simulated since the machine was made."""
        return self._library.neuflow_cycle(self._handle)

    @property
    def traffic(self):
        """Bytes that moved over the AXI4 port since the machine was made: (read, written)."""
        counts = ctypes.c_uint64(), ctypes.c_uint64()
        self._library.neuflow_traffic(self._handle, *counts)
        return tuple(count.value for count in counts)

    def close(self):
        """End the simulation and its wave file."""
        if self._handle is not None:
            self._library.neuflow_destroy(self._handle)
            self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        self.close()
