"""Targets: the numbers that fix one NeuFlow machine.

Hardware, compiler, simulators and driver all read the same frozen `Target`; nothing else holds
a machine's size. Two machines are interchangeable exactly when their fingerprints are equal.
"""

import dataclasses
import functools
import hashlib
import json
import math
from dataclasses import dataclass

__all__ = ["DESIGN_VERSION", "LATTICE", "TARGETS", "XILINX", "Memory", "Target", "get_target"]

#: Counts changes of behaviour that a program can see; part of every fingerprint.
DESIGN_VERSION = 7

#: What ``primitives`` of targets for these makers' devices is; also a platform of Amaranth's.
XILINX, LATTICE = "xilinx", "lattice"

#: A configuration packet addresses nodes with one mask word of this many bits.
MAX_NODES = 32


def _require(condition, message):
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class Memory:
    """External memory as the machine sees it, and as the simulators model it.

    Parameters
    ----------
    size : int
        Bytes, a power of two.
    peak : int
        Peak bytes a second at the pins.
    efficiency : float
        Share of the peak that is delivered, refresh and bank conflicts paid.
    latency : int
        Grid cycles from an accepted read address to its first beat.
    """

    size: int
    peak: int
    efficiency: float = 0.85
    latency: int = 40

    def __post_init__(self):
        _require(self.size >= 1 << 16 and self.size & (self.size - 1) == 0,
                 f"memory size must be a power of two of at least 65536 bytes, not {self.size}")
        _require(self.size <= 1 << 32,
                 f"memory size must fit a 32-bit address, not {self.size} bytes")
        _require(self.peak > 0, f"memory peak must be positive, not {self.peak}")
        _require(0 < self.efficiency <= 1,
                 f"memory efficiency must be in (0, 1], not {self.efficiency}")
        _require(self.latency >= 1, f"memory latency must be at least 1 cycle, not {self.latency}")


@dataclass(frozen=True)
class Target:
    """One machine: its grid, convolvers, DMA ports, memories and clock.

    Tiles are numbered row by row from the north-west corner. Nodes of the configuration network
    are the tiles, then the DMA ports: port ``p`` is node ``tiles + p``.

    Parameters
    ----------
    name : str
        What users type.
    rows, columns : int
        Grid of tiles.
    convolvers : tuple of int
        Tiles that hold a convolver. Each needs a DMA port.
    dma_tiles : tuple of int
        The tile each DMA port is attached to, port 0 first.
    macs : int
        Multiply-accumulate units of one convolver.
    kernel_rows : int
        Row buses of one input stream: kernels have at most so many rows in one piece.
    line_width : int
        Most samples of a row that stream through the line buffers.
    banks, bank_depth : int
        Accumulator banks of a convolver (also the most lanes) and words in each, both halves.
    contexts : int
        Weights that each MAC keeps.
    fifos, fifo_blocks, fifo_block_depth : int
        FIFOs of a tile, their memory blocks and the samples in one block. Each FIFO has as many
        blocks as the others; those that are left over go to the one that a register names.
    segments : int
        Segments of a mapper's table.
    table_depth : int
        Base addresses in a DMA read channel's table.
    primitives : str
        Device family whose cells the chip's Verilog instantiates: "xilinx", "lattice", or "" for
        none. They do what the logic in their place does: the fingerprint leaves them out.
    data_width : int
        Bits of the AXI4 data bus.
    clock_hz : int
        Clock of the grid.
    memory : Memory
        External memory.

    Raises
    ------
    ValueError
        If a number is out of range or two of them contradict each other.
    """

    name: str
    rows: int
    columns: int
    convolvers: tuple[int, ...]
    dma_tiles: tuple[int, ...]
    macs: int
    kernel_rows: int
    banks: int
    bank_depth: int
    data_width: int
    clock_hz: int
    memory: Memory
    line_width: int = 1024
    contexts: int = 32
    fifos: int = 4
    fifo_blocks: int = 5
    fifo_block_depth: int = 1024
    segments: int = 256
    table_depth: int = 1024
    primitives: str = ""

    sample_width = 16
    accumulator_width = 36
    chain_width = 48

    def __post_init__(self):
        self._check_grid()
        self._check_convolver()
        self._check_memories()

    def _check_grid(self):
        where = f"target {self.name!r}: "
        _require(self.rows >= 1 and self.columns >= 1,
                 f"{where}grid must be at least 1x1, not {self.rows}x{self.columns}")
        _require(self.nodes <= MAX_NODES,
                 f"{where}{self.tiles} tiles and {self.ports} DMA ports make {self.nodes} nodes; "
                 f"the configuration network addresses at most {MAX_NODES}")
        for what, tiles in (("convolver", self.convolvers), ("DMA port", self.dma_tiles)):
            _require(len(tiles) >= 1, f"{where}needs at least one {what}")
            _require(len(set(tiles)) == len(tiles), f"{where}two {what}s on one tile: {tiles}")
            for tile in tiles:
                _require(0 <= tile < self.tiles,
                         f"{where}{what} on tile {tile}; tiles are 0 to {self.tiles - 1}")
        for tile in self.convolvers:
            _require(tile in self.dma_tiles,
                     f"{where}the convolver on tile {tile} has no DMA port to bring its weights")

    def _check_convolver(self):
        where = f"target {self.name!r}: "
        _require(1 <= self.macs <= 128, f"{where}macs must be in 1..128, not {self.macs}")
        _require(1 <= self.kernel_rows <= 16,
                 f"{where}kernel_rows must be in 1..16, not {self.kernel_rows}")
        _require(1 <= self.banks <= min(self.macs, 16),
                 f"{where}banks must be in 1..{min(self.macs, 16)} (one a lane), not {self.banks}")
        for field, low in (("bank_depth", 64), ("line_width", 16), ("contexts", 4),
                           ("fifo_block_depth", 16), ("segments", 64), ("table_depth", 16)):
            value = getattr(self, field)
            _require(value >= low and value & (value - 1) == 0,
                     f"{where}{field} must be a power of two of at least {low}, not {value}")

    def _check_memories(self):
        where = f"target {self.name!r}: "
        _require(1 <= self.fifos <= 4, f"{where}fifos must be in 1..4, not {self.fifos}")
        _require(self.fifos <= self.fifo_blocks <= 8,
                 f"{where}fifo_blocks must be in {self.fifos}..8, not {self.fifo_blocks}")
        _require(self.data_width in (32, 64, 128, 256, 512),
                 f"{where}data_width must be 32, 64, 128, 256 or 512, not {self.data_width}")
        _require(self.clock_hz > 0, f"{where}clock_hz must be positive, not {self.clock_hz}")
        _require(self.primitives in ("", XILINX, LATTICE),
                 f"{where}primitives must be {XILINX!r}, {LATTICE!r} or empty, not "
                 f"{self.primitives!r}")

    @property
    def tiles(self):
        """Number of tiles."""
        return self.rows * self.columns

    @property
    def ports(self):
        """Number of DMA ports."""
        return len(self.dma_tiles)

    @property
    def nodes(self):
        """Number of nodes of the configuration network: tiles, then DMA ports."""
        return self.tiles + self.ports

    @property
    def multipliers(self):
        """Multipliers of the grid: the MACs, one an operator and two a mapper in every tile."""
        return len(self.convolvers) * self.macs + 4 * self.tiles

    @property
    def half_depth(self):
        """Words in one half of an accumulator bank."""
        return self.bank_depth // 2

    @property
    def own_fifo_blocks(self):
        """Memory blocks that each FIFO has to itself."""
        return self.fifo_blocks // self.fifos

    @property
    def spare_fifo_blocks(self):
        """Memory blocks left over, for the one FIFO that a register names."""
        return self.fifo_blocks % self.fifos

    def lane_length(self, lanes):
        """MACs of one lane when the chain is partitioned into ``lanes`` lanes."""
        return self.macs // lanes

    def lane_rows(self, lanes):
        """Most kernel rows of a lane: one more than a square has, so that MACs need few buses."""
        length = self.lane_length(lanes)
        return min(self.kernel_rows, math.isqrt(length) + 1, length)

    def row_length(self, lanes, rows):
        """MACs from one kernel row to the next in a lane whose kernel has ``rows`` rows."""
        return self.lane_length(lanes) // rows

    def row_buses(self, mac):
        """Row buses that a MAC can read: those of the kernel rows that may begin at it."""
        return _row_buses(self)[mac]

    def lane_banks(self, lanes):
        """Accumulator banks of one lane when the chain is partitioned into ``lanes`` lanes."""
        return self.banks // lanes

    def port_of_tile(self, tile):
        """Return the DMA port attached to ``tile``, or None."""
        return self.dma_tiles.index(tile) if tile in self.dma_tiles else None

    def neighbour(self, tile, direction):
        """Return the tile beside ``tile``, or None over the edge; directions are n, e, s, w."""
        row, column = divmod(tile, self.columns)
        down, right = {"n": (-1, 0), "e": (0, 1), "s": (1, 0), "w": (0, -1)}[direction]
        row, column = row + down, column + right
        if 0 <= row < self.rows and 0 <= column < self.columns:
            return row * self.columns + column
        return None

    @property
    def fingerprint(self):
        """64-bit number that names this configuration, as an integer.

        The first eight bytes (big-endian) of the SHA-256 of the design's version and every field
        but ``primitives``.
        """
        fields = dataclasses.asdict(self) | {"design": DESIGN_VERSION}
        del fields["primitives"]
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@functools.cache
def _row_buses(target):
    """Return the row buses of every MAC, as a tuple of tuples."""
    buses = [set() for _ in range(target.macs)]
    for lanes in range(1, target.banks + 1):
        for rows in range(1, target.lane_rows(lanes) + 1):
            for lane in range(lanes):
                first = lane * target.lane_length(lanes)
                for row in range(rows):
                    buses[first + row * target.row_length(lanes, rows)].add(row)
    return tuple(tuple(sorted(found)) for found in buses)


_TINY = Target(
    name="tiny", rows=2, columns=2, convolvers=(0,), dma_tiles=(0, 1),
    macs=25, kernel_rows=5, banks=4, bank_depth=512, line_width=256,
    fifos=2, fifo_blocks=2, fifo_block_depth=256, table_depth=256,
    data_width=64, clock_hz=100_000_000,
    memory=Memory(size=1 << 22, peak=1_600_000_000),
)

# Convolvers stand in columns 0 and 2 of a 5-row, 4-column grid, their partners beside them.
_VIRTEX6 = Target(
    name="virtex6-lx240t", rows=5, columns=4, convolvers=(0, 2, 4, 6, 8, 10),
    dma_tiles=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
    macs=100, kernel_rows=10, banks=11, bank_depth=2048, fifos=2,
    data_width=256, clock_hz=200_000_000, primitives=XILINX,
    memory=Memory(size=1 << 29, peak=6_400_000_000),
)

_ASIC = Target(
    name="asic-45nm", rows=4, columns=3, convolvers=(0, 3, 6, 9),
    dma_tiles=(0, 1, 3, 4, 6, 7, 9, 10),
    macs=100, kernel_rows=10, banks=11, bank_depth=2048, fifos=2,
    data_width=256, clock_hz=400_000_000,
    memory=Memory(size=1 << 29, peak=12_800_000_000),
)

# Half a convolver, and memory for LeNet-5, on one chip; the memory is `hdl.on_chip_memory`.
_ECP5 = Target(
    name="ecp5-85k", rows=1, columns=2, convolvers=(0,), dma_tiles=(0, 1),
    macs=50, kernel_rows=7, banks=5, bank_depth=1024, line_width=256,
    fifos=2, fifo_blocks=2, fifo_block_depth=1024, table_depth=128,
    data_width=32, clock_hz=50_000_000, primitives=LATTICE,
    memory=Memory(size=1 << 18, peak=200_000_000, efficiency=1.0, latency=6),
)

#: Every target by name.
TARGETS = {target.name: target for target in (_TINY, _VIRTEX6, _ASIC, _ECP5)}


def get_target(name):
    """Return the target called ``name``.

    Raises
    ------
    ValueError
        If there is none; the message lists those that exist.
    """
    try:
        return TARGETS[name]
    except KeyError:
        raise ValueError(f"unknown target {name!r}; targets are {', '.join(TARGETS)}") from None
