"""The host's registers: where host and firmware meet."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..host_port import RegisterBus
from ..target import DESIGN_VERSION
from .counters import LIVE_LATENCY, counter_names
from .host_registers import COUNTER_BASE, HOST_ADDRESS_WIDTH, HOST_REGISTERS, Status

__all__ = ["REPORTS", "Mailbox"]

#: Registers of the host that the firmware writes.
REPORTS = ("ERROR", "ERROR_STEP", "ERROR_INFO0", "ERROR_INFO1", "STEP")


class Mailbox(wiring.Component):
    """The host's register map.

    An access takes three cycles, one of a counter twelve.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    host : In(RegisterBus(12))
        From the host port.
    begin : Out(1)
        The host starts a program: high for one cycle; ``running`` from the next on.
    running, stop : Out(1)
        A program runs; the host wants it to stop.
    program : Out(32)
        Byte address of its header.
    finish : In(1)
        The program has ended.
    status : In(2)
        With ``finish``: its `Status`.
    report : In(5), report_data : In(32)
        Write a word to the register of `REPORTS` whose bit is set.
    busy : In(nodes)
    saturated : In(tiles)
        Collected while a program runs.
    bus_error : In(ports)
        Collected while a program runs, in ``bus_errors``.
    bus_errors : Out(ports)
    counter_index, counter : Out, In(32)
        To the counters; a value `LIVE_LATENCY` cycles after its index.

    Source: `hdl.control.host_registers`.
    """

    def __init__(self, target):
        self.target = target
        self.counters = len(counter_names(target))
        super().__init__({
            "host": In(RegisterBus(HOST_ADDRESS_WIDTH)),
            "begin": Out(1), "running": Out(1), "stop": Out(1), "program": Out(32),
            "finish": In(1), "status": In(2),
            "report": In(len(REPORTS)), "report_data": In(32),
            "busy": In(target.nodes), "saturated": In(target.tiles),
            "bus_error": In(target.ports), "bus_errors": Out(target.ports),
            "counter_index": Out(ceil_log2(self.counters)), "counter": In(32),
        })

    def elaborate(self, platform):
        m = Module()
        target, host = self.target, self.host
        status, saturated = Signal(2), Signal(target.tiles)
        reports = {name: Signal(32, name=name.lower()) for name in REPORTS}
        values = {
            "ID_LOW": target.fingerprint & 0xFFFFFFFF,
            "ID_HIGH": target.fingerprint >> 32,
            "VERSION": DESIGN_VERSION,
            "SHAPE": target.tiles << 16 | target.ports << 8 | len(target.convolvers),
            "CONTROL": 0,
            "PROGRAM": self.program,
            "STATUS": status,
            "BUSY": self.busy,
            "SATURATED": saturated,
            "BUS_ERROR": self.bus_errors,
            "COUNTERS": self.counters,
            **reports,
        }

        # One cycle for the address, or some for a counter; one for the value, one for the answer.
        access, waited = (host.read | host.write) & ~host.done, Signal(range(LIVE_LATENCY + 2))
        counters = host.address[2:] >= COUNTER_BASE // 4
        now = access & (waited == Mux(counters, LIVE_LATENCY + 1, 1))
        m.d.sync += [waited.eq(Mux(access & ~now, waited + 1, 0)), host.done.eq(now)]
        word = host.address[2:]
        index = Signal(HOST_ADDRESS_WIDTH - 2)
        m.d.comb += index.eq(word - COUNTER_BASE // 4)
        m.d.sync += self.counter_index.eq(index)
        with m.If(now):
            m.d.sync += [host.value.eq(0), host.error.eq(1)]
            with m.If((word >= COUNTER_BASE // 4) & (index < self.counters)):
                m.d.sync += [host.value.eq(self.counter), host.error.eq(host.write)]
            with m.Switch(word):
                for register in HOST_REGISTERS:
                    with m.Case(register.address // 4):
                        m.d.sync += [
                            host.value.eq(values[register.name]),
                            host.error.eq(host.write & (register.access == "r")),
                        ]

        def written(name):
            address = next(item.address for item in HOST_REGISTERS if item.name == name)
            return now & host.write & (word == address // 4)

        with m.If(written("PROGRAM")):
            m.d.sync += self.program.eq(host.data)
        with m.If(written("CONTROL") & host.data[1] & self.running):
            m.d.sync += self.stop.eq(1)
        m.d.comb += self.begin.eq(written("CONTROL") & host.data[0] & ~self.running)

        for bit, register in enumerate(reports.values()):
            with m.If(self.report[bit]):
                m.d.sync += register.eq(self.report_data)
        with m.If(self.running):
            m.d.sync += [
                saturated.eq(saturated | self.saturated),
                self.bus_errors.eq(self.bus_errors | self.bus_error),
            ]
        with m.If(self.finish):
            m.d.sync += [self.running.eq(0), self.stop.eq(0), status.eq(self.status)]
        with m.If(self.begin):
            m.d.sync += [
                self.running.eq(1), status.eq(Status.RUNNING),
                Cat(saturated, self.bus_errors, *reports.values()).eq(0),
            ]
        return m
