"""Cocotb bench of the byte link: line and registers are cocotbext's UART and AxiLiteRam.

The environment gives `LINK_DIVISOR`, cycles a bit.
"""

import os
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteRam
from cocotbext.uart import UartSink, UartSource

from hdl.link.protocol import ANSWER, END, Answer, Operation
from tests.hdl.link.bench import answers, body, framed

DIVISOR = int(os.environ.get("LINK_DIVISOR", "8"))
PERIOD = 10  # ns


async def connect(dut):
    """Return the line's two ends and the registers."""
    Clock(dut.clk, PERIOD, unit="ns").start()
    baud = 1e9 / (PERIOD * DIVISOR)
    registers = AxiLiteRam(AxiLiteBus.from_prefix(dut, "host_"), dut.clk, dut.rst, size=4096)
    dut.rst.value = 1
    source, sink = UartSource(dut.rx, baud=baud), UartSink(dut.tx, baud=baud)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 4 * DIVISOR)
    return source, sink, registers


async def exchange(source, sink, data):
    """Send bytes and return the answer that follows."""
    await source.write(data)
    got = bytearray()
    while len(got) < 2 or got[-1] != END:
        got += await sink.read(1)
    (answer,) = answers(got)
    return answer


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def registers_over_the_line(dut):
    source, sink, registers = await connect(dut)
    rng = Random(1)
    held = bytearray(4096)
    registers.write(0, bytes(held))
    for sequence in range(60):
        count = rng.randint(1, 20)
        address = 4 * rng.randrange(1024 - count)
        words = [rng.getrandbits(32) for _ in range(count)]
        writes = rng.random() < 0.5
        operation = Operation.WRITE_REGISTERS if writes else Operation.READ_REGISTERS
        frame = framed(body(operation, sequence, address, words if writes else (), count))
        if rng.random() < 0.5:
            # Cut off in the middle: not answered, and the whole one after it is.
            await source.write(frame[:rng.randint(1, len(frame) - 2)])
        answer = await with_timeout(exchange(source, sink, frame), 1, "ms")
        if writes:
            held[address:address + 4 * count] = b"".join(
                word.to_bytes(4, "little") for word in words)
        expected = [address] if writes else [address, *(
            int.from_bytes(held[address + 4 * k:address + 4 * k + 4], "little")
            for k in range(count))]
        assert answer == (operation | ANSWER, sequence, Answer.DONE, expected)
        assert registers.read(0, 4096) == bytes(held)
