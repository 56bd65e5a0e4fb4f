"""The configuration registers of every unit: one description for hardware, compiler and documents.

A node of the configuration network (a tile or a DMA port) holds units; a unit holds words, each
with one register. Registers are shadowed: writes change the shadow, a commit copies it to the
active value. Memories (``memory=True``) are two banks: writes fill the shadow bank, a commit
exchanges the banks, so whoever uses a memory in a step writes it in full for that step.

Addresses and strides count samples of two bytes everywhere.
"""

from dataclasses import dataclass

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from .target import Target

__all__ = ["ADDRESS_WIDTH", "DELAY", "FIFO_MODES", "KINDS", "LOOPS", "NO_SOURCE", "OFFSET_BITS",
           "OPERATIONS", "PARAMETER_SLOTS", "RELATIONS", "SINKS", "SOURCES", "UNIT_BITS",
           "Register", "Unit", "dma_units", "node_units", "tile_units"]

#: Bits of a unit number and of a word offset within a unit.
UNIT_BITS, OFFSET_BITS = 4, 10

#: Bits of a sample address: 2**31 samples fill a 32-bit byte address.
ADDRESS_WIDTH = 31

#: Nested loops of an address generator.
LOOPS = 4

#: Kinds of frame (pieces of a large kernel, phases of a stride) that a convolver cycles through.
KINDS = 16

#: Most (interleaved group, lane) pairs with a bias and a shift of their own in one pass.
PARAMETER_SLOTS = 16

#: Router sources; register value ``index + 1`` selects one, 0 selects none.
SOURCES = ("n", "e", "s", "w", "dma", "conv0", "conv1", "mapper", "op0", "op1",
           "fifo0", "fifo1", "fifo2", "fifo3")

#: Router sinks, in the order of the router's registers.
SINKS = ("n", "e", "s", "w", "dma", "conv_a", "conv_b", "mapper", "op0_a", "op0_b", "op1_a",
         "op1_b", "fifo0", "fifo1", "fifo2", "fifo3")

NO_SOURCE = 0

#: Operations of an operator, by register value.
OPERATIONS = ("add", "sub", "mul", "div", "max", "min", "reduce_sum", "reduce_max", "reduce_min",
              "reduce_argmax")

#: Modes of a FIFO, by register value.
FIFO_MODES = ("off", "buffer", "delay", "loop")
DELAY = FIFO_MODES.index("delay")

#: How a MAC's kernel column (row) compares with the left (top) padding, by register value.
RELATIONS = ("equal", "less", "greater")


@dataclass(frozen=True)
class Register:
    """One register, or an array of ``count`` of them, a word each.

    Parameters
    ----------
    name : str
        Name within the unit.
    width : int
        Bits, at most 32.
    doc : str
        Meaning and unit.
    signed : bool
        Two's complement; the word is sign-extended to 32 bits.
    maximum : int or None
        Largest legal value (default: what the width holds). The smallest is 0, or
        ``-(maximum + 1)`` when signed.
    count : int
        Words in the array.
    """

    name: str
    width: int
    doc: str
    signed: bool = False
    maximum: int | None = None
    count: int = 1

    @property
    def highest(self):
        """Largest legal value."""
        return self.maximum if self.maximum is not None else (1 << self.width - self.signed) - 1

    @property
    def lowest(self):
        """Smallest legal value."""
        return -(self.highest + 1) if self.signed else 0

    @property
    def shape(self):
        """Amaranth shape of one element."""
        return signed(self.width) if self.signed else unsigned(self.width)

    def encode(self, value):
        """Return the 32-bit word that holds ``value``.

        Raises
        ------
        ValueError
            If the value is not legal.
        """
        if not self.lowest <= value <= self.highest:
            raise ValueError(f"register {self.name} must be in {self.lowest}..{self.highest}, "
                             f"not {value}")
        return int(value) & 0xFFFFFFFF

    def decode(self, word):
        """Return the value that ``word`` holds."""
        return word - (1 << 32) if self.signed and word >> 31 else word


@dataclass(frozen=True)
class Unit:
    """The words of one unit: its registers in order, each array contiguous."""

    name: str
    number: int
    doc: str
    registers: tuple[Register, ...]
    memory: bool = False

    def __post_init__(self):
        if self.words > 1 << OFFSET_BITS:
            raise ValueError(f"unit {self.name} has {self.words} words, at most {1 << OFFSET_BITS}")

    @property
    def words(self):
        """Number of words."""
        return sum(register.count for register in self.registers)

    def offset(self, name, index=0):
        """Word offset of element ``index`` of register ``name``."""
        offset = 0
        for register in self.registers:
            if register.name == name:
                if not 0 <= index < register.count:
                    raise ValueError(f"{self.name}.{name} has {register.count} words, "
                                     f"not an index {index}")
                return offset + index
            offset += register.count
        raise ValueError(f"unit {self.name} has no register {name!r}")

    def word_registers(self):
        """Return the register of each word, by offset."""
        return [register for register in self.registers for _ in range(register.count)]

    @property
    def layout(self):
        """Amaranth layout of the active values: a field a register, an array where count > 1."""
        return data.StructLayout({
            register.name: register.shape if register.count == 1
            else data.ArrayLayout(register.shape, register.count)
            for register in self.registers})

    def encode(self, values):
        """Return all words of the unit for a dict of register values (arrays as sequences).

        Registers left out are 0.

        Raises
        ------
        ValueError
            If a name is unknown, an array too long, or a value not legal.
        """
        unknown = set(values) - {register.name for register in self.registers}
        if unknown:
            raise ValueError(f"unit {self.name} has no register {', '.join(sorted(unknown))}")
        words = []
        for register in self.registers:
            value = values.get(register.name, 0)
            items = [value] if register.count == 1 else list(value or ())
            if len(items) > register.count:
                raise ValueError(f"{self.name}.{register.name} has {register.count} words, "
                                 f"not {len(items)}")
            items += [0] * (register.count - len(items))
            words += [register.encode(item) for item in items]
        return words


def _operator(number, index):
    return Unit(f"op{index}", number, "operator", (
        Register("operation", 4, "index into OPERATIONS", maximum=len(OPERATIONS) - 1),
        Register("constant_enable", 1, "take b from `constant`, not from the stream"),
        Register("constant", 16, "constant operand; the factor of reduce_sum", signed=True),
        Register("shift_a", 4, "left shift of a before add, sub, max, min"),
        Register("shift_b", 4, "left shift of b before add, sub, max, min"),
        Register("shift", 5, "right shift of the requantisation; left shift of a before div"),
        Register("count", 16, "samples one reduction takes, at least 1 when reducing"),
        Register("width", 12, "decimator: samples of a row, 0 passes everything"),
        Register("height", 12, "decimator: rows of a map, after which the row count starts anew"),
        Register("step_x", 8, "decimator: keep columns that are multiples of it"),
        Register("step_y", 8, "decimator: keep rows that are multiples of it"),
    ))


def _convolver_units(target):
    frame = (target.line_width).bit_length()
    size = (target.banks * target.half_depth).bit_length()
    convolver = Unit("convolver", 6, "sequence, frame and drain of the convolver", (
        Register("enable", 1, "run when committed"),
        Register("passes", 16, "passes; each fills the accumulators once"),
        Register("entries", 16, "input frames accumulated in one pass"),
        Register("interleave", 5, "output groups that take turns in a pass",
                 maximum=PARAMETER_SLOTS),
        Register("lanes", 4, "lanes the chain is partitioned into", maximum=target.banks),
        Register("two_streams", 1, "stream B is taken; else it carries what stream A does"),
        Register("frame_width", frame, "columns of a frame, masked ones included",
                 maximum=target.line_width),
        Register("frame_height", 16, "rows of a frame, masked ones included"),
        Register("data_width", frame, "samples taken from the stream in each data row",
                 maximum=target.line_width),
        Register("data_height", 16, "data rows taken from the stream in each frame"),
        Register("line_delay", frame, "delay between row buses; 0 for one kernel row, else >= 2",
                 maximum=target.line_width),
        Register("lead", 16, "cycles the chain runs before the first sample"),
        Register("skip", 24, "cycles from the first sample to the first output at the head"),
        Register("out_width", frame, "columns that are stored", maximum=target.line_width),
        Register("out_height", 16, "rows that are stored"),
        Register("out_size", size, "words of one group's outputs: out_width * out_height",
                 maximum=target.banks * target.half_depth),
        Register("kinds", 5, "kinds of frame that entries cycle through", maximum=KINDS),
        Register("kind_x", frame, "first data column of a frame, by kind", count=KINDS),
        Register("kind_y", 16, "first data row of a frame, by kind", count=KINDS),
        Register("kind_width", frame, "data columns that are not masked, by kind", count=KINDS),
        Register("kind_height", 16, "data rows that are not masked, by kind", count=KINDS),
        Register("drain_count", size, "drain order: iterations, innermost first", count=LOOPS),
        Register("drain_stride", size + 1, "drain order: strides in words", signed=True,
                 count=LOOPS),
        Register("drain_first", 4, "first lane of each drain stream", count=2),
        Register("drain_lanes", 4, "lanes of each drain stream", count=2),
        Register("drain_last_lanes", 4, "lanes of each drain stream in the last pass", count=2),
    ))
    macs = Unit("mac", 7, "row bus and padding masks of each MAC", (
        Register("bus", 4, "0 for the samples of the MAC before, else 1 + index into the row buses "
                 "that the MAC can read", count=target.macs,
                 maximum=max(len(target.row_buses(mac)) for mac in range(target.macs))),
        Register("column", 2, "kernel column against left padding, index into RELATIONS",
                 maximum=2, count=target.macs),
        Register("row", 2, "kernel row against top padding, index into RELATIONS",
                 maximum=2, count=target.macs),
    ))
    return (convolver, macs)


def tile_units(target: Target, convolver: bool):
    """Return the units of a tile, by name."""
    most = (target.own_fifo_blocks + target.spare_fifo_blocks) * target.fifo_block_depth
    fifo = tuple(
        register for index in range(target.fifos) for register in (
            Register(f"mode{index}", 2, "index into FIFO_MODES"),
            Register(f"last{index}", (most - 1).bit_length(),
                     "samples that it holds, of a loop its length, less one", maximum=most - 1),
            Register(f"count{index}", 16, "zeros that a delay begins with; times a loop is played, "
                     "0 for ever"),
        ))
    if target.spare_fifo_blocks:
        fifo += (Register("spare", (target.fifos - 1).bit_length(),
                          "FIFO that has the blocks left over", maximum=target.fifos - 1),)
    units = [
        Unit("router", 0, "source of each sink", (
            Register("source", 4, "0 for none, else index into SOURCES plus 1",
                     maximum=len(SOURCES), count=len(SINKS)),)),
        _operator(1, 0),
        _operator(2, 1),
        Unit("fifo", 3, "FIFO bank", fifo),
        Unit("mapper", 4, "range and scaling of the mapper", (
            Register("low", 16, "inputs below are taken as this", signed=True),
            Register("high", 16, "inputs above are taken as this", signed=True),
            Register("origin", 16, "input at which segment 0 starts", signed=True),
            Register("logarithmic", 1, "segments by leading one, not of equal width"),
            Register("segment_shift", 4, "log2 of a segment's width (equal segments)"),
            Register("square_shift", 5, "right shift of a * d"),
            Register("shift", 5, "right shift of the requantisation"),
        )),
        Unit("mapper_table", 5, "two words a segment: b << 16 | a, then c", (
            Register("word", 32, "a, b signed 16 bits; c signed 32 bits",
                     count=2 * target.segments),), memory=True),
    ]
    if convolver:
        units += _convolver_units(target)
    return {unit.name: unit for unit in units}


def _loops(signed_strides=True):
    return (
        Register("count", 20, "iterations of each loop, innermost first, at least 1", count=LOOPS),
        Register("stride", 32, "samples each loop steps", signed=signed_strides, count=LOOPS),
    )


def dma_units(target: Target, convolver: bool):
    """Return the units of a DMA port, by name; with weights where a convolver is attached."""
    units = [
        Unit("read", 0, "memory to stream: repeat x table entry x four loops", (
            Register("enable", 1, "run when committed"),
            Register("repeat", 16, "times the whole table is walked, at least 1"),
            Register("entries", target.table_depth.bit_length(), "table entries, at least 1",
                     maximum=target.table_depth),
            *_loops())),
        Unit("read_table", 1, "base address of each entry", (
            Register("base", ADDRESS_WIDTH, "in samples", count=target.table_depth),), memory=True),
        Unit("write", 2, "stream to memory: table entry x four loops", (
            Register("enable", 1, "run when committed"),
            Register("base", ADDRESS_WIDTH, "in samples"),
            Register("entries", target.table_depth.bit_length(),
                     "table entries; 0 for one entry of offset 0", maximum=target.table_depth),
            *_loops())),
        Unit("write_table", 4, "offset of each entry from the base", (
            Register("offset", ADDRESS_WIDTH, "in samples", count=target.table_depth),),
            memory=True),
    ]
    if convolver:
        units.append(Unit("weights", 3, "memory to the weight contexts, contiguous", (
            Register("enable", 1, "run when committed"),
            Register("base", ADDRESS_WIDTH, "in samples"),
            Register("length", 24, "samples, at least 1"),
            Register("repeat", 16, "times the samples are read, at least 1"),
        )))
    return {unit.name: unit for unit in units}


def node_units(target: Target, node: int):
    """Return the units of configuration node ``node``, by name: tiles first, then DMA ports."""
    if node < target.tiles:
        return tile_units(target, node in target.convolvers)
    return dma_units(target, target.dma_tiles[node - target.tiles] in target.convolvers)
