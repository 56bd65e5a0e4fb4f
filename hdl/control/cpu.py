"""The control processor: VexRiscv with its memory."""

from pathlib import Path

import pythondata_cpu_vexriscv
from amaranth.hdl import ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Out

from ..host_port import RegisterBus
from .cpu_registers import REGISTER_ADDRESS_WIDTH, REGISTER_BASE

__all__ = ["MEMORY_WORDS", "Cpu", "cpu_verilog"]

#: Words of the memory that holds code, data and stack.
MEMORY_WORDS = 1024


def cpu_verilog():
    """Return the paths of the Verilog files that define the processor.

    The variant is RV32IM with a 2 KiB instruction cache, which holds the whole firmware, and
    without data cache, interrupt controller or debugger.
    """
    return [Path(pythondata_cpu_vexriscv.data_location) / "VexRiscv_Lite.v"]


class Cpu(wiring.Component):
    """VexRiscv, its memory at address 0 and a register bus at `REGISTER_BASE`.

    A load from memory takes two cycles on the processor's bus, one of a register those of the
    register bus. What the register bus refuses reads as 0: the processor ignores bus errors.

    Parameters
    ----------
    firmware : sequence of int
        Words that the memory holds after reset, at most `MEMORY_WORDS`.

    Members
    -------
    bus : Out(RegisterBus(8))

    Raises
    ------
    ValueError
        If the firmware does not fit.

    Source: Wishbone B4 specification, classic cycles; README of pythondata-cpu-vexriscv.
    """

    def __init__(self, firmware):
        self.firmware = list(firmware)
        if len(self.firmware) > MEMORY_WORDS:
            raise ValueError(f"firmware must have at most {MEMORY_WORDS} words, "
                             f"not {len(self.firmware)}")
        super().__init__({"bus": Out(RegisterBus(REGISTER_ADDRESS_WIDTH))})

    def elaborate(self, platform):
        m = Module()
        buses = {}
        for name in ("i", "d"):
            buses[name] = {field: Signal(width, name=f"{name}_{field.lower()}") for field, width in
                           (("CYC", 1), ("STB", 1), ("ACK", 1), ("WE", 1), ("ADR", 30),
                            ("DAT_MISO", 32), ("DAT_MOSI", 32), ("SEL", 4), ("ERR", 1))}
        code, data = buses["i"], buses["d"]

        ports = {f"{'i' if field in ('ACK', 'DAT_MISO', 'ERR') else 'o'}_{name}BusWishbone_{field}":
                 signal for name, bus in buses.items() for field, signal in bus.items()}
        m.submodules.cpu = Instance(
            "VexRiscv",
            i_clk=ClockSignal(), i_reset=ResetSignal(), i_externalResetVector=Const(0, 32),
            i_timerInterrupt=Const(0), i_softwareInterrupt=Const(0),
            i_externalInterruptArray=Const(0, 32), **ports)

        memory = m.submodules.memory = Memory(shape=32, depth=MEMORY_WORDS, init=self.firmware)
        fetch, load = memory.read_port(), memory.read_port()
        store = memory.write_port(granularity=8)

        asked = code["CYC"] & code["STB"]
        m.d.comb += [fetch.addr.eq(code["ADR"]), code["DAT_MISO"].eq(fetch.data)]
        m.d.sync += code["ACK"].eq(asked & ~code["ACK"])

        asked = data["CYC"] & data["STB"]
        registers = asked & (data["ADR"] >> REGISTER_ADDRESS_WIDTH - 2
                             == REGISTER_BASE >> REGISTER_ADDRESS_WIDTH)
        local, answered = asked & ~registers, Signal()
        m.d.sync += answered.eq(local & ~answered)
        m.d.comb += [
            load.addr.eq(data["ADR"]),
            store.addr.eq(data["ADR"]),
            store.data.eq(data["DAT_MOSI"]),
            self.bus.address.eq(data["ADR"] << 2),
            self.bus.data.eq(data["DAT_MOSI"]),
            self.bus.read.eq(registers & ~data["WE"]),
            self.bus.write.eq(registers & data["WE"]),
            data["DAT_MISO"].eq(load.data),
            data["ACK"].eq(answered),
        ]
        with m.If(local & data["WE"]):
            m.d.comb += store.en.eq(data["SEL"])
        with m.If(registers):
            m.d.comb += [
                data["DAT_MISO"].eq(self.bus.value),
                data["ACK"].eq(self.bus.done),
            ]
        return m
