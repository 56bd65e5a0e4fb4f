"""Multiplier and adder of a MAC: the cell of a Xilinx device, or logic that does the same."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..target import LATTICE, XILINX

__all__ = ["LINK_WIDTH", "MultiplyAdd"]

#: Bits of the wires from a cell to the next.
LINK_WIDTH = 48

#: Registers of the cell. What is constant has none.
_REGISTERS = {
    "AREG": 1, "ACASCREG": 1, "BREG": 1, "BCASCREG": 1, "MREG": 1, "PREG": 1, "OPMODEREG": 1,
    "ADREG": 0, "DREG": 0, "ALUMODEREG": 0, "CARRYINREG": 0, "CARRYINSELREG": 0, "INMODEREG": 0,
}

#: Widths of the cell's inputs and outputs but the clock; inputs that are not used are 0.
_INPUTS = {
    "A": 30, "B": 18, "C": 48, "D": 25, "ACIN": 30, "BCIN": 18, "PCIN": 48, "CARRYCASCIN": 1,
    "CARRYIN": 1, "CARRYINSEL": 3, "MULTSIGNIN": 1, "ALUMODE": 4, "INMODE": 5, "OPMODE": 7,
    **dict.fromkeys((
        "CEA1", "CEA2", "CEAD", "CEALUMODE", "CEB1", "CEB2", "CEC", "CECARRYIN", "CECTRL", "CED",
        "CEINMODE", "CEM", "CEP", "RSTA", "RSTALLCARRYIN", "RSTALUMODE", "RSTB", "RSTC",
        "RSTCTRL", "RSTD", "RSTINMODE", "RSTM", "RSTP"), 1),
}
_OUTPUTS = {
    "P": 48, "PCOUT": 48, "ACOUT": 30, "BCOUT": 18, "CARRYCASCOUT": 1, "CARRYOUT": 4,
    "MULTSIGNOUT": 1, "OVERFLOW": 1, "UNDERFLOW": 1, "PATTERNDETECT": 1, "PATTERNBDETECT": 1,
}


class MultiplyAdd(wiring.Component):
    """Add sample times weight to the neighbour's sum or, at the head of a lane, to a carry.

    All registers advance with ``enable``; one each for sample, weight, carry, product and sum.
    With `hdl.target.XILINX` as platform it is one cell DSP48E1; with `hdl.target.LATTICE` a cell
    MULT18X18D has the registers of sample, weight and product; elsewhere it is logic. All have the
    same sums, which wrap modulo ``2**width``; of ``link_out`` the latter two drive the lowest
    ``width`` bits.

    Parameters
    ----------
    width : int
        Bits of sums, 33 to `LINK_WIDTH`.
    head : bool
        Whether it can be the head of a lane.
    linked : bool
        Whether ``link_in`` comes over the wires between the cells of a column. Else the cell is
        the first of its column, and the neighbour's sum takes the port of the carry.

    Members
    -------
    enable : In(1)
    clear : In(1)
        With ``enable``: the product is to be 0. Low without ``enable``.
    sample, weight : In(signed(16))
        3 cycles before their sum; ``clear`` is 2 before it.
    head : In(1)
        Add ``carry``; constant while sums count.
    carry : In(signed(width))
        2 cycles before the sum it is part of.
    clear_carry : In(1)
        With ``enable``: the carry is to be 0. Low without ``enable``.
    link_in : In(48)
        The neighbour's ``link_out``, 1 cycle before.
    link_out : Out(48)
        The sum.
    sum : Out(signed(width))

    Raises
    ------
    ValueError
        If a cell is to be head and first of a column.

    Sources: Xilinx UG369, "DSP48E1 Slice"; Lattice FPGA-TN-02205, "ECP5 sysDSP".
    """

    def __init__(self, width, *, head, linked=True):
        if head and not linked:
            raise ValueError("the head of a lane cannot be the first cell of a further column")
        self.width = width
        self.may_be_head = head
        self.linked = linked
        super().__init__({
            "enable": In(1),
            "clear": In(1),
            "sample": In(signed(16)),
            "weight": In(signed(16)),
            "head": In(1),
            "carry": In(signed(width)),
            "clear_carry": In(1),
            "link_in": In(LINK_WIDTH),
            "link_out": Out(LINK_WIDTH),
            "sum": Out(signed(width)),
        })

    def elaborate(self, platform):
        if platform == XILINX:
            return self._cell()
        m = Module()
        product = self._multiplier(m) if platform == LATTICE else self._product(m)
        neighbour = self._neighbour(m)
        total = Signal(signed(self.width), reset_less=True)
        with m.If(self.enable):
            m.d.sync += total.eq(neighbour + product)
        m.d.comb += [self.sum.eq(total), self.link_out.eq(total.as_unsigned())]
        return m

    def _neighbour(self, m):
        """Return what is added to the product."""
        neighbour = self.link_in[:self.width].as_signed()
        if not self.may_be_head:
            return neighbour
        head = Signal(reset_less=True)
        carry = Signal.like(self.carry, name="carry_register", reset_less=True)
        m.d.sync += head.eq(self.head)
        with m.If(self.enable):
            m.d.sync += carry.eq(self.carry)
        with m.If(self.clear_carry):
            m.d.sync += carry.eq(0)
        return Mux(head, carry, neighbour)

    def _product(self, m):
        """Return the product in a register, made by logic."""
        sample = Signal(signed(16), reset_less=True)
        weight = Signal(signed(16), reset_less=True)
        product = Signal(signed(32), reset_less=True)
        with m.If(self.enable):
            m.d.sync += [
                sample.eq(self.sample), weight.eq(self.weight), product.eq(sample * weight)]
        with m.If(self.clear):
            m.d.sync += product.eq(0)
        return product

    def _multiplier(self, m):
        """Return the product in the output register of a cell of Lattice's."""
        product = Signal(36)
        sample, weight = Signal(signed(18)), Signal(signed(18))
        m.d.comb += [sample.eq(self.sample), weight.eq(self.weight)]
        pins = {**_bits("i_A", sample), **_bits("i_B", weight), **_bits("i_C", Const(0, 18)),
                **_bits("o_P", product)}
        m.submodules.multiplier = Instance(
            "MULT18X18D", i_CLK0=ClockSignal(), i_CE0=self.enable, i_RST0=self.clear, i_RST1=0,
            i_SIGNEDA=1, i_SIGNEDB=1, i_SOURCEA=0, i_SOURCEB=0,
            p_REG_INPUTA_CLK="CLK0", p_REG_INPUTB_CLK="CLK0", p_REG_OUTPUT_CLK="CLK0",
            p_REG_INPUTA_RST="RST1", p_REG_INPUTB_RST="RST1", p_GSR="DISABLED", **pins)
        return product[:32].as_signed()

    def _cell(self):
        m = Module()
        pins = {name: Signal(width, name=name.lower()) for name, width in _INPUTS.items()}
        outputs = {name: Signal(width, name=name.lower()) for name, width in _OUTPUTS.items()}
        m.d.comb += [
            pins["A"].eq(self.sample), pins["B"].eq(self.weight), pins["RSTM"].eq(self.clear),
            pins["CECTRL"].eq(1),
            *(pins[name].eq(self.enable) for name in ("CEA2", "CEB2", "CEC", "CEM", "CEP")),
            self.link_out.eq(outputs["PCOUT"]),
            self.sum.eq(outputs["P"][:self.width].as_signed()),
        ]
        # Z, what is added to the product: PCIN or, with bit 5 of OPMODE, C.
        from_carry = self.head if self.may_be_head else Const(not self.linked, 1)
        m.d.comb += pins["OPMODE"].eq(Cat(Const(0b10101, 5), from_carry))
        if self.linked:
            m.d.comb += pins["PCIN"].eq(self.link_in)
        else:
            m.d.comb += pins["C"].eq(self.link_in[:self.width].as_signed())
        if self.may_be_head:
            m.d.comb += [pins["C"].eq(self.carry), pins["RSTC"].eq(self.clear_carry)]
        m.submodules.cell = Instance(
            "DSP48E1", i_CLK=ClockSignal(),
            **{f"p_{name}": number for name, number in _REGISTERS.items()},
            p_CREG=int(self.linked), p_USE_DPORT="FALSE", p_USE_MULT="MULTIPLY",
            **{f"i_{name}": pin for name, pin in pins.items()},
            **{f"o_{name}": signal for name, signal in outputs.items()})
        return m


def _bits(bus, value):
    """Return the pins of a bus whose bits are pins of their own."""
    return {f"{bus}{index}": value[index] for index in range(len(value))}
