"""The control unit: firmware on a small processor, and what it commands."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..axi import LiteSignature, ReadMaster, WriteMaster
from ..config_network import ConfigBus
from ..host_port import HostPort
from .bridge import Bridge
from .commands import Commands
from .counters import Counters, counter_names
from .cpu import Cpu
from .cpu_registers import Event
from .firmware import firmware_words
from .host_registers import HOST_ADDRESS_WIDTH
from .loader import ConfigLoader
from .mailbox import Mailbox
from .step_control import StepControl

__all__ = ["Control"]


class Control(wiring.Component):
    """Runs programs: loads, commits and watches their steps, and answers the host.

    Parameters
    ----------
    target : Target
        The machine.
    patience : int
        Cycles without an answer from memory after which an access of the control counts as failed.

    Members
    -------
    host : In(LiteSignature(12))
        Host registers, see `hdl.control.host_registers`.
    bus : Out(ConfigBus)
        To the first node.
    commit : Out(nodes)
        One cycle high, one bit a node.
    abort : Out(1)
        High from the end of a program until no DMA port is busy.
    busy : In(nodes)
        Looked at from `hdl.control.step_control.SETTLE` cycles after a commit on.
    saturated : In(tiles)
    bus_error : In(ports)
        Collected while a program runs; must fall with the start of a node.
    events : In(counters - 1)
        One bit a counter but ``cycles``, in the order of `counter_names`.
    cpu_read, cpu_write : Out(ReadMaster), Out(WriteMaster)
        Headers, step records and the log.
    loader_read : Out(ReadMaster)
        Configuration packets.

    Source: docs/architecture.md, "Programs".
    """

    def __init__(self, target, *, patience=1 << 16):
        self.target = target
        self.patience = patience
        self.counters = len(counter_names(target))
        super().__init__({
            "host": In(LiteSignature(HOST_ADDRESS_WIDTH)),
            "bus": Out(ConfigBus()), "commit": Out(target.nodes), "abort": Out(1),
            "busy": In(target.nodes), "saturated": In(target.tiles),
            "bus_error": In(target.ports), "events": In(self.counters - 1),
            "cpu_read": Out(ReadMaster(target.data_width)),
            "cpu_write": Out(WriteMaster(target.data_width)),
            "loader_read": Out(ReadMaster(target.data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        target = self.target
        port = m.submodules.host_port = HostPort(HOST_ADDRESS_WIDTH)
        mailbox = m.submodules.mailbox = Mailbox(target)
        commands = m.submodules.commands = Commands(target)
        cpu = m.submodules.cpu = Cpu(firmware_words())
        bridge = m.submodules.bridge = Bridge(target.data_width, patience=self.patience)
        loader = m.submodules.loader = ConfigLoader(target, patience=self.patience)
        steps = m.submodules.step_control = StepControl(target.nodes)
        counters = m.submodules.counters = Counters(self.counters)

        wiring.connect(m, wiring.flipped(self.host), port.host)
        wiring.connect(m, port.bus, mailbox.host)
        wiring.connect(m, cpu.bus, commands.cpu)
        wiring.connect(m, bridge.bus_read, wiring.flipped(self.cpu_read))
        wiring.connect(m, bridge.bus_write, wiring.flipped(self.cpu_write))
        wiring.connect(m, loader.read, wiring.flipped(self.loader_read))
        wiring.connect(m, loader.bus, wiring.flipped(self.bus))

        # The clock of all times: the same count as the counter `cycles`.
        cycles = Signal(32)
        with m.If(mailbox.begin):
            m.d.sync += cycles.eq(0)
        with m.Elif(mailbox.running):
            m.d.sync += cycles.eq(cycles + 1)

        busy = Signal(target.nodes)
        m.d.sync += busy.eq(self.busy)
        m.d.comb += [
            steps.commit_now.eq(commands.commit_now),
            steps.mask.eq(commands.commit_mask),
            steps.wait.eq(commands.wait),
            steps.time_out.eq(commands.time_out),
            steps.busy.eq(self.busy),
            steps.cycles.eq(cycles),
            steps.snapshot.eq(commands.snapshot),
            self.commit.eq(steps.commit),
            commands.waiting.eq(steps.waiting),
            commands.commit_cycle.eq(steps.commit_cycle),
            commands.end_cycle.eq(steps.end_cycle),

            loader.start.eq(commands.loader_start),
            loader.clear.eq(commands.loader_clear),
            loader.address.eq(commands.loader_address),
            loader.words.eq(commands.loader_words),
            loader.abort.eq(commands.abort),
            commands.loader_error.eq(loader.error),
            commands.loader_packet.eq(loader.error_packet),
            commands.loader_word.eq(loader.error_word),
            self.abort.eq(commands.abort),

            bridge.address.eq(commands.memory_address),
            bridge.read.eq(commands.memory_read),
            bridge.write.eq(commands.memory_write),
            bridge.data.eq(commands.memory_data),
            bridge.clear.eq(mailbox.begin),
            commands.memory_done.eq(bridge.done),
            commands.memory_value.eq(bridge.value),
            commands.memory_idle.eq(bridge.idle),

            counters.events.eq(Cat(mailbox.running, self.events)),
            counters.clear.eq(mailbox.begin),
            counters.snapshot.eq(commands.snapshot),
            counters.live_index.eq(mailbox.counter_index),
            counters.bank_index.eq(commands.counter_index),
            mailbox.counter.eq(counters.live),
            commands.counter.eq(counters.bank),
            commands.counter_ready.eq(counters.banked),

            mailbox.busy.eq(busy),
            mailbox.saturated.eq(self.saturated),
            mailbox.bus_error.eq(self.bus_error),
            mailbox.finish.eq(commands.finish),
            mailbox.status.eq(commands.status),
            mailbox.report.eq(commands.report),
            mailbox.report_data.eq(commands.report_data),
            commands.busy.eq(busy),
            commands.bus_errors.eq(mailbox.bus_errors),
            commands.program.eq(mailbox.program),
        ]
        events = {
            Event.DONE: steps.done,
            Event.LOADING: loader.busy,
            Event.LOADER_ERROR: loader.error != 0,
            Event.TIME_OUT: steps.timed_out,
            Event.BUS_ERROR: mailbox.bus_errors.any(),
            Event.STOP: mailbox.stop,
            Event.MEMORY_ERROR: bridge.failed,
            Event.RUNNING: mailbox.running,
        }
        m.d.comb += [commands.events[event].eq(value) for event, value in events.items()]
        return m
