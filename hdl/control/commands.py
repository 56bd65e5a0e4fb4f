"""The firmware's registers: how it drives the rest of the control."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..host_port import RegisterBus
from .counters import counter_names
from .cpu_registers import CPU_REGISTERS, REGISTER_ADDRESS_WIDTH, Event
from .mailbox import REPORTS
from .packet_checks import POSITION_BITS

__all__ = ["Commands"]


class Commands(wiring.Component):
    """Register file of the firmware.

    An access takes three cycles; one of external memory those of the bridge in addition, one of a
    counter those until the snapshot is complete.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    cpu : In(RegisterBus(8))
        From the processor.
    events : In(8)
        A bit for each `Event`.
    commit_now, commit_mask, wait, time_out : Out
        To `StepControl`.
    snapshot : Out(1)
        To `StepControl` and the counters, also with each commit.
    waiting, busy : In(nodes)
    bus_errors : In(ports)
    commit_cycle, end_cycle : In(32)
    loader_start, loader_clear, loader_address, loader_words : Out
        To the loader.
    loader_error, loader_packet, loader_word : In
    abort : Out(1)
        Stays until the firmware takes it back.
    counter_index, counter, counter_ready : Out, In(32), In(1)
        The snapshot's read port, and whether the snapshot is complete: accesses of COUNTER wait.
    memory_address, memory_read, memory_write, memory_data : Out
        To the bridge.
    memory_done, memory_value, memory_idle : In
    program : In(32)
    report, report_data, finish, status : Out
        To the mailbox.

    Source: `hdl.control.cpu_registers`.
    """

    def __init__(self, target):
        self.target = target
        self.counters = len(counter_names(target))
        nodes = target.nodes
        super().__init__({
            "cpu": In(RegisterBus(REGISTER_ADDRESS_WIDTH)),
            "events": In(len(Event)),
            "commit_now": Out(1), "commit_mask": Out(nodes), "wait": Out(nodes),
            "time_out": Out(32), "snapshot": Out(1),
            "waiting": In(nodes), "busy": In(nodes), "bus_errors": In(target.ports),
            "commit_cycle": In(32), "end_cycle": In(32),
            "loader_start": Out(1), "loader_clear": Out(1),
            "loader_address": Out(32), "loader_words": Out(24),
            "loader_error": In(8), "loader_packet": In(24), "loader_word": In(POSITION_BITS),
            "abort": Out(1),
            "counter_index": Out(ceil_log2(self.counters)), "counter": In(32),
            "counter_ready": In(1),
            "memory_address": Out(32), "memory_read": Out(1), "memory_write": Out(1),
            "memory_data": Out(32),
            "memory_done": In(1), "memory_value": In(32), "memory_idle": In(1),
            "program": In(32),
            "report": Out(len(REPORTS)), "report_data": Out(32),
            "finish": Out(1), "status": Out(2),
        })

    def elaborate(self, platform):
        m = Module()
        cpu, target = self.cpu, self.target
        values = {
            "EVENTS": self.events,
            "WAITING": self.waiting,
            "BUSY": self.busy,
            "BUS_ERROR": self.bus_errors,
            "LOADER_ERROR": self.loader_error,
            "LOADER_PACKET": self.loader_packet,
            "LOADER_WORD": self.loader_word,
            "COMMIT_CYCLE": self.commit_cycle,
            "END_CYCLE": self.end_cycle,
            "COUNTER": self.counter,
            "MEMORY_ADDRESS": self.memory_address,
            "MEMORY_DATA": self.memory_value,
            "MEMORY_IDLE": self.memory_idle,
            "PROGRAM": self.program,
            "ID_LOW": target.fingerprint & 0xFFFFFFFF,
            "ID_HIGH": target.fingerprint >> 32,
            "NODES": (1 << target.nodes) - 1,
            "PORTS": (1 << target.nodes) - (1 << target.tiles),
            "COUNTERS": self.counters,
        }
        address = {register.name: register.address // 4 for register in CPU_REGISTERS}

        # A register of its own: the processor is slow to say what it wants.
        read, write = Signal(), Signal()
        word, data = Signal(REGISTER_ADDRESS_WIDTH - 2), Signal(32)
        # `now`: the one cycle in which an access acts; its answer comes in the next.
        access, now = read | write, Signal()
        m.d.sync += [
            read.eq(cpu.read & ~now & ~cpu.done), write.eq(cpu.write & ~now & ~cpu.done),
            word.eq(cpu.address[2:]), data.eq(cpu.data),
        ]
        at_memory = word == address["MEMORY_DATA"]
        at_counter = word == address["COUNTER"]
        m.d.comb += now.eq(access & Mux(at_memory, self.memory_done,
                                        ~at_counter | self.counter_ready))
        m.d.sync += cpu.done.eq(now)
        with m.If(now):
            m.d.sync += cpu.value.eq(0)
            with m.Switch(word):
                for name, value in values.items():
                    with m.Case(address[name]):
                        m.d.sync += cpu.value.eq(value)

        def written(name):
            return now & write & (word == address[name])

        for name, register in (("WAIT", self.wait), ("TIME_OUT", self.time_out),
                               ("LOADER_ADDRESS", self.loader_address), ("ABORT", self.abort),
                               ("COUNTER", self.counter_index)):
            with m.If(written(name)):
                m.d.sync += register.eq(data)
        with m.If(now & read & (word == address["COUNTER"])):
            m.d.sync += self.counter_index.eq(self.counter_index + 1)

        m.d.comb += [
            self.commit_now.eq(written("COMMIT")),
            self.commit_mask.eq(data),
            self.snapshot.eq(written("COMMIT") | written("SNAPSHOT")),
            self.loader_start.eq(written("LOADER_WORDS")),
            self.loader_words.eq(data),
            self.loader_clear.eq(written("CLEAR")),
            self.memory_read.eq(read & at_memory),
            self.memory_write.eq(write & at_memory),
            self.memory_data.eq(data),
            self.report.eq(Cat(written(name) for name in REPORTS)),
            self.report_data.eq(data),
            self.finish.eq(written("FINISH")),
            self.status.eq(data),
        ]
        with m.If(written("MEMORY_ADDRESS")):
            m.d.sync += self.memory_address.eq(data)
        with m.Elif(now & at_memory):
            m.d.sync += self.memory_address.eq(self.memory_address + 4)
        return m
