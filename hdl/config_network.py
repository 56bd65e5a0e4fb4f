"""Configuration network: registered hops that carry words to nodes, and the registers of a node."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .memory_write import MemoryWrite
from .registers import OFFSET_BITS, UNIT_BITS, Unit
from .target import MAX_NODES

__all__ = ["CLEAR_UNIT", "ConfigBus", "ConfigNode"]

#: Low bits of an offset that are decoded on their own.
_LOW_BITS = 4

#: A word for this unit sets all shadow registers of a node to 0; no packet may name it.
CLEAR_UNIT = (1 << UNIT_BITS) - 1


class ConfigBus(wiring.Signature):
    """Words on their way to the nodes; nothing waits.

    Members
    -------
    valid : Out(1)
        A word stands on the bus in this cycle.
    mask : Out(32)
        The nodes it is for: bit 0 the next one on the chain, bit 1 the one after it.
    unit : Out(4)
        Unit of the node.
    offset : Out(10)
        Word of the unit.
    data : Out(32)
        The word.
    """

    def __init__(self):
        super().__init__({
            "valid": Out(1), "mask": Out(MAX_NODES), "unit": Out(UNIT_BITS),
            "offset": Out(OFFSET_BITS), "data": Out(32)})


class ConfigNode(wiring.Component):
    """Registers of one node: a hop of the network, shadow and active values.

    A word on ``bus_i`` leaves on ``bus_o`` one cycle later, its mask shifted right by one. Where
    bit 0 of the mask is set it is also in the shadow register three cycles later, or on the
    memory's write port two cycles later. In the second cycle after ``commit`` all shadow values are
    active and ``start`` is high. Throughput: a word a cycle.

    Parameters
    ----------
    units : iterable of Unit
        The node's units, such as the values of `hdl.registers.node_units`.
    forms : dict of str to Routes, optional
        Of units that are kept in a form of their own: its ``layout``, and what is kept of each word
        (``words``). Registers at 0 are all zeros in it, too.

    Members
    -------
    bus_i : In(ConfigBus)
    bus_o : Out(ConfigBus)
        To the next node.
    commit : In(1)
        One cycle high: make the shadow values active.
    ending : Out(1)
        High for one cycle, the last with the old active values.
    start : Out(1)
        High for one cycle, the first with the new active values.
    <unit> : Out(unit.layout)
        Active values of each unit of registers, or of its form's layout.
    <unit> : Out(MemoryWrite)
        For each memory unit the words for its shadow bank.

    Raises
    ------
    TypeError
        If an item of ``units`` is not a Unit.
    ValueError
        If two units have one name or number, or one has that of something else in the node.

    Source: docs/architecture.md, "Units, configuration and commit".
    """

    def __init__(self, units, forms=None):
        self.units = tuple(units)
        self.forms = {unit.name: _Plain(unit) for unit in self.units
                      if isinstance(unit, Unit) and not unit.memory} | dict(forms or {})
        members = {"bus_i": In(ConfigBus()), "bus_o": Out(ConfigBus()),
                   "commit": In(1), "ending": Out(1), "start": Out(1)}
        numbers = {CLEAR_UNIT: "the word that clears a node"}
        for unit in self.units:
            if not isinstance(unit, Unit):
                raise TypeError(f"Units must be of class Unit, not {unit!r}")
            if unit.name in members:
                raise ValueError(f"Unit must not be called {unit.name!r}: the node has a port of "
                                 f"that name")
            if unit.number in numbers:
                raise ValueError(f"Unit {unit.name!r} must not have number {unit.number}, which "
                                 f"is that of {numbers[unit.number]}")
            numbers[unit.number] = f"unit {unit.name!r}"
            members[unit.name] = Out(
                MemoryWrite(ceil_log2(unit.words)) if unit.memory
                else self.forms[unit.name].layout)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()

        # The hop is also the input register: decoding starts from flip-flops of this node.
        selected = Signal()
        word = self.bus_o
        m.d.sync += [
            word.valid.eq(self.bus_i.valid),
            word.mask.eq(self.bus_i.mask >> 1),
            word.unit.eq(self.bus_i.unit),
            word.offset.eq(self.bus_i.offset),
            word.data.eq(self.bus_i.data),
            selected.eq(self.bus_i.valid & self.bus_i.mask[0]),
        ]

        m.d.sync += [self.ending.eq(self.commit), self.start.eq(self.ending)]

        data, clear = Signal.like(word.data), Signal()
        m.d.sync += [data.eq(word.data), clear.eq(selected & (word.unit == CLEAR_UNIT))]
        for unit in self.units:
            port = getattr(self, unit.name)
            taken = Signal(name=f"{unit.name}_taken")
            m.d.comb += taken.eq(selected & (word.unit == unit.number))
            if unit.memory:
                m.d.sync += [port.en.eq(taken), port.addr.eq(word.offset), port.data.eq(word.data)]
                continue
            form = self.forms[unit.name]
            shadow = Signal(form.layout, name=f"{unit.name}_shadow")
            low = 0
            for write, value in zip(self._decode(m, unit, taken), form.words(data), strict=True):
                if value is None:
                    continue
                high = low + len(value)
                with m.If(write):
                    m.d.sync += shadow.as_value()[low:high].eq(value)
                low = high
            with m.If(clear):
                m.d.sync += shadow.eq(0)
            with m.If(self.ending):
                m.d.sync += port.eq(shadow)

        return m

    def _decode(self, m, unit, taken):
        """Return for each word of a unit whether it was on the bus a cycle ago.

        Words with the same low bits share the reset of their registers, those with the same high
        bits their input: no word takes a look-up table of its own.
        """
        high = self.bus_o.offset[_LOW_BITS:]
        rows = range(-(-unit.words >> _LOW_BITS))
        columns = []
        for low in range(min(unit.words, 1 << _LOW_BITS)):
            column = Signal(len(rows), name=f"{unit.name}_write{low}")
            m.d.sync += column.eq(Cat(taken & (high == row) for row in rows))
            with m.If(self.bus_o.offset[:_LOW_BITS] != low):
                m.d.sync += column.eq(0)
            columns.append(column)
        return [columns[offset % (1 << _LOW_BITS)][offset >> _LOW_BITS]
                for offset in range(unit.words)]


class _Plain:
    """Registers kept as they are written."""

    def __init__(self, unit):
        self.unit, self.layout = unit, unit.layout

    def words(self, word):
        return [word[:register.width] for register in self.unit.word_registers()]
