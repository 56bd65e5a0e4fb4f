"""Receiver and transmitter of a serial line: 8 data bits, no parity, 1 stop bit."""

import operator

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .parameters import LEAST_DIVISOR

__all__ = ["UartReceiver", "UartTransmitter"]

_BITS = 8


def _checked(divisor):
    if operator.index(divisor) < LEAST_DIVISOR:
        raise ValueError(f"divisor must be at least {LEAST_DIVISOR} cycles a bit, not {divisor}")
    return divisor


class UartReceiver(wiring.Component):
    """Bytes from a serial line.

    A bit is sampled in its middle. A start bit that is gone by its middle is noise; a byte without
    stop bit is dropped, and the line has to go high before the next one begins. A byte that is not
    taken before the next one is there is lost.

    Parameters
    ----------
    divisor : int
        Cycles a bit, at least 4.

    Members
    -------
    rx : In(1)
        The line, high at rest; asynchronous.
    o : Out(stream of 8)

    Raises
    ------
    ValueError
        If ``divisor`` is too small.
    """

    def __init__(self, divisor):
        self.divisor = _checked(divisor)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(_BITS))})

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronise = FFSynchronizer(self.rx, line, init=1)
        wait, left, shifted = Signal(range(self.divisor)), Signal(range(_BITS)), Signal(_BITS)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.FSM():
            with m.State("REST"):
                m.d.sync += [wait.eq(self.divisor // 2 - 1), left.eq(_BITS - 1)]
                with m.If(~line):
                    m.next = "START"
            with m.State("START"):
                with m.If(wait == 0):
                    m.d.sync += wait.eq(self.divisor - 1)
                    with m.If(line):
                        m.next = "REST"
                    with m.Else():
                        m.next = "DATA"
            with m.State("DATA"):
                with m.If(wait == 0):
                    m.d.sync += [shifted.eq(Cat(shifted[1:], line)), left.eq(left - 1),
                                 wait.eq(self.divisor - 1)]
                    with m.If(left == 0):
                        m.next = "STOP"
            with m.State("STOP"):
                with m.If(wait == 0):
                    with m.If(line):
                        # An offer that still waits stays as it is: the new byte is the lost one.
                        with m.If(~self.o.valid | self.o.ready):
                            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(shifted)]
                        m.next = "REST"
                    with m.Else():
                        m.next = "BREAK"
            with m.State("BREAK"):
                with m.If(line):
                    m.next = "REST"
        return m


class UartTransmitter(wiring.Component):
    """Bytes onto a serial line.

    Parameters
    ----------
    divisor : int
        Cycles a bit, at least 4.

    Members
    -------
    i : In(stream of 8)
    tx : Out(1)
        The line, high at rest.

    Raises
    ------
    ValueError
        If ``divisor`` is too small.
    """

    def __init__(self, divisor):
        self.divisor = _checked(divisor)
        super().__init__({"i": In(stream.Signature(_BITS)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        wait, left = Signal(range(self.divisor)), Signal(range(_BITS + 2))
        # Stop bit and data behind the bit that is on the line; ones come in after them.
        shifted = Signal(_BITS + 1, init=-1)
        m.d.comb += self.i.ready.eq((left == 0) & (wait == 0))
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Elif(left != 0):
            m.d.sync += [self.tx.eq(shifted[0]), shifted.eq(Cat(shifted[1:], 1)),
                         left.eq(left - 1), wait.eq(self.divisor - 1)]
        with m.Elif(self.i.valid):
            m.d.sync += [self.tx.eq(0), shifted.eq(Cat(self.i.payload, 1)), left.eq(_BITS + 1),
                         wait.eq(self.divisor - 1)]
        return m
