"""Proof that multiplier and adder of a MAC are the same as a device's cell and as logic.

The cell is Yosys' own model of a DSP48E1, or this project's of a MULT18X18D, of which Yosys has
none; two copies, one as the chip has it and one as simulators do, get the same inputs, and their
sums must be equal for ever. Yosys first merges what is the same in both: the solver need not
multiply.
"""

from amaranth.asserts import Initial
from amaranth.hdl import Assert, Assume, Cover, Fragment, Module, Mux

from hdl.convolver.multiply_add import MultiplyAdd
from hdl.target import LATTICE, XILINX
from hdl.verilog import MODELS

from ._sby import Proof, prove

#: What reads the models of the cells, and the files that it takes.
_READ = {XILINX: ("read_verilog -DYOSYS +/xilinx/cells_sim.v", ()),
         LATTICE: (f"read_verilog {MODELS[LATTICE].name}", (MODELS[LATTICE],))}

#: What makes the copies' multipliers one.
_MERGED = ("hierarchy -top top", "proc", "flatten", "opt -full", "wreduce", "opt -full", "opt_dff",
           "wreduce", "opt_merge -share_all", "opt -full")

_WIDTH = 36

_INPUTS = ("enable", "clear", "sample", "weight", "head", "carry", "clear_carry", "link_in")


class Cell(MultiplyAdd):
    """Itself on a device of ``family``, wherever it is elaborated."""

    def __init__(self, family, width, *, head, linked):
        super().__init__(width, head=head, linked=linked)
        self.family = family

    def elaborate(self, platform):
        return Fragment.get(super().elaborate(self.family), self.family)


class UnsignedWeight(MultiplyAdd):
    """Takes weights as unsigned."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = MultiplyAdd(
            self.width, head=self.may_be_head, linked=self.linked)
        m.d.comb += [
            *(getattr(inner, name).eq(getattr(self, name)) for name in _INPUTS),
            inner.weight.eq(Mux(self.weight < 0, self.weight & 0x7FFF, self.weight)),
            self.sum.eq(inner.sum), self.link_out.eq(inner.link_out),
        ]
        return m


class Equal(Proof):
    """State that the sums of cell and logic are equal from the second cycle on.

    Parameters
    ----------
    family : str
        Whose cell it is, see ``Target.primitives``.
    logic : MultiplyAdd
    head, linked : bool
        See `MultiplyAdd`.
    """

    def __init__(self, family, logic, *, head, linked):
        super().__init__(logic)
        self.cell = Cell(family, _WIDTH, head=head, linked=linked)

    def elaborate(self, platform):
        m = self.module()
        m.submodules.logic, m.submodules.cell = logic, cell = self.dut, self.cell
        m.d.comb += [
            *(getattr(cell, name).eq(getattr(logic, name)) for name in _INPUTS),
            # While OPMODE is not yet in its register.
            Assume(~logic.enable | ~Initial()),
            Assume(logic.enable | ~(logic.clear | logic.clear_carry)),
            Assert(logic.sum == cell.sum),
            Assert(logic.link_out[:_WIDTH] == cell.link_out[:_WIDTH]),
            Cover((logic.sum == -1) & logic.enable),
        ]
        return m


def inputs(dut):
    """Signals that the solver chooses."""
    return [getattr(dut, name) for name in _INPUTS]


def main():
    """Run all proofs; raise ProofError when one goes wrong."""
    for family, (read, files) in _READ.items():
        cell, how = MODELS[family].stem, {"script": (read, *_MERGED), "files": files}
        for name, head, linked in (("inside a lane", False, True), ("head of a lane", True, True),
                                   ("first of a column", False, False)):
            logic = MultiplyAdd(_WIDTH, head=head, linked=linked)
            prove(f"{cell}, {name}: equal to logic",
                  Equal(family, logic, head=head, linked=linked), inputs(logic), depth=5, **how)
        logic = UnsignedWeight(_WIDTH, head=True)
        prove(f"{cell}, weights without sign: not equal",
              Equal(family, logic, head=True, linked=True), inputs(logic), depth=6,
              expect_fail=True, **how)


if __name__ == "__main__":
    main()
