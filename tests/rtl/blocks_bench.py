"""Random additions to the words of a memory, against a list of sums."""

from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge


@cocotb.test
async def adds_products_to_words(dut):
    rng = Random(cocotb.RANDOM_SEED)
    Clock(dut.clk, 10, unit="ns").start()
    words = [987654321 * at % 2**36 for at in range(256)]
    last = None
    for _ in range(5000):
        at, write = rng.randrange(256), rng.randrange(2)
        a, b = (rng.choice((rng.randrange(-2**17, 2**17), -2**17, 2**17 - 1, 0, -1))
                for _ in range(2))
        await FallingEdge(dut.clk)
        if last is not None:
            assert dut.sum.value.to_unsigned() == last, (at, a, b)
        dut.at.value, dut.write.value, dut.a.value, dut.b.value = at, write, a, b
        held, last = last, words[at]
        if write and held is not None:
            words[at] = (held + a * b) % 2**36
        elif write:
            words[at] = a * b % 2**36
