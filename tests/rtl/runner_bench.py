"""Benches for the runner's own test: one that passes, one that fails."""

import os

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge


async def _count(dut, cycles):
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value, dut.enable.value = 1, 1
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(cycles + 1):
        await RisingEdge(dut.clk)
    return int(dut.count.value)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def counts(dut):
    assert await _count(dut, 10) == 10


@cocotb.test(timeout_time=1, timeout_unit="ms", skip="RUNNER_FAILS" not in os.environ)
async def fails(dut):
    assert await _count(dut, 10) == 11
