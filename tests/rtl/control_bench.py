"""Cocotb bench of the control unit: the processor runs the firmware, the nodes are fakes."""

from random import Random

import cocotb
from cocotbext.axi import AxiResp

from hdl.config_network import CLEAR_UNIT
from hdl.control.cpu_registers import LOG_WORDS
from hdl.control.host_registers import ErrorCode, Status, counter_address
from hdl.target import DESIGN_VERSION
from tests.hdl.control.packets import bus_words, packet
from tests.rtl.control_machine import (
    ALL,
    COUNTERS,
    LOG,
    NODES,
    PACKETS,
    PROGRAM,
    RECORDS,
    STRIDE,
    TARGET,
    TILES,
    Machine,
)


def some_steps(count, rng):
    """Steps that configure routers, with changing masks."""
    steps = []
    for number in range(count):
        mask = rng.randrange(1, 1 << TILES)
        packets = [packet(mask, 0, rng.randrange(8), [rng.randrange(15) for _ in range(4)], k)
                   for k in range(1 + number % 3)]
        commit = rng.randrange(1, ALL + 1)
        steps.append((packets, commit, commit, 5000))
    return steps


async def expect_good_run(machine, steps):
    """Run steps and check commits and configuration words."""
    machine.put_program(steps)
    assert await machine.run() == Status.DONE
    assert await machine.error() == [ErrorCode.NONE, 0, 0, 0]
    assert [mask for _, mask in machine.commits] == [step[1] for step in steps] + [ALL]
    expected = [word for step in steps for one in step[0] for word in bus_words(one)]
    assert machine.words[:-1] == expected
    assert machine.words[-1][:2] == (ALL, CLEAR_UNIT)
    assert machine.aborts


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def identity(dut):
    machine = Machine(dut)
    await machine.reset()
    assert await machine.read("ID_LOW") | await machine.read("ID_HIGH") << 32 \
        == TARGET.fingerprint
    assert await machine.read("VERSION") == DESIGN_VERSION
    assert await machine.read("SHAPE") == TILES << 16 | TARGET.ports << 8 | len(TARGET.convolvers)
    assert await machine.read("COUNTERS") == len(COUNTERS)
    assert await machine.read("STATUS") == Status.IDLE
    assert await machine.read("CONTROL") == 0
    for address in (0x40, 0xFC, counter_address(len(COUNTERS)), 0xFFC):
        assert (await machine.host.read(address, 4)).resp == AxiResp.SLVERR
    for address in (0, 0x18, counter_address(0)):
        answer = await machine.host.write(address, b"1234")
        assert answer.resp == AxiResp.SLVERR


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def runs_steps_in_order(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(6, Random(5))
    await expect_good_run(machine, steps)
    assert await machine.read("STEP") == 5
    # Again, at once: nothing is left of the first run.
    await expect_good_run(machine, steps[2:])


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def commits_wait_for_nodes_and_soon_follow_them(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(8, Random(6))
    machine.durations = {(number, node): 3000 + 37 * number + 11 * node
                         for number in range(8) for node in range(NODES)}
    await expect_good_run(machine, steps)
    gaps = [commit - max(end for end in machine.ends if end < commit)
            for commit, _ in machine.commits[1:-1]]
    dut._log.info("cycles from the end of a step to the next commit: %s", gaps)
    assert max(gaps) <= 40
    for (begin, mask), (after, _), number in zip(
            machine.commits, machine.commits[1:], range(8), strict=False):
        last = max(node for node in range(NODES) if mask >> node & 1)
        assert after - begin >= machine.durations[number, last]


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def writes_the_log(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(3, Random(7))
    machine.durations = {(number, node): 400 for number in range(3) for node in range(NODES)}
    machine.put_program(steps, log=LOG)
    dut.events.value = 0b101
    assert await machine.run() == Status.DONE
    dut.events.value = 0
    records = [[machine.memory[LOG + 4 * (STRIDE * number + k)]
                for k in range(LOG_WORDS + len(COUNTERS))] for number in range(3)]
    commits = [cycle for cycle, _ in machine.commits]
    for number, record in enumerate(records):
        step, commit, end, cycles, *counters = record
        assert step == number
        assert commit - records[0][1] == commits[number] - commits[0]
        assert 400 <= end - commit <= 420
        assert cycles >= end
        # Two events are high all the time, from the cycle of the start on.
        assert counters[0] == counters[2] and 0 <= counters[0] - cycles <= 2
        assert not any(counters[1:2] + counters[3:])
    assert all(LOG + 4 * (STRIDE * n + STRIDE - 1) not in machine.memory for n in range(3))
    live = await machine.host.read_dword(counter_address(0))
    assert live >= records[-1][3]
    assert await machine.host.read_dword(counter_address(1)) >= records[-1][4]
    assert await machine.host.read_dword(counter_address(2)) == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def shortest_period_of_steps(dut):
    machine = Machine(dut, latency=40, stall=0)
    await machine.reset()
    for log, limit in ((0, 800), (LOG, 1500)):
        machine.put_program(some_steps(8, Random(7)), log=log)
        assert await machine.run() == Status.DONE
        cycles = [cycle for cycle, _ in machine.commits]
        periods = [b - a for a, b in zip(cycles[1:-1], cycles[2:-1], strict=False)]
        dut._log.info("cycles from commit to commit of empty steps: %s", periods)
        assert max(periods) <= limit


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def time_out_names_step_and_nodes(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = [(step[0], ALL, ALL, 500) for step in some_steps(3, Random(8))]
    machine.durations = {(1, 0): 4000, (1, TILES): 5000, (1, 1): 300}
    machine.put_program(steps)
    assert await machine.run() == Status.ERROR
    assert await machine.error() == [ErrorCode.TIME_OUT, 1, 1 | 1 << TILES, 500]
    assert [mask for _, mask in machine.commits] == [ALL, ALL, ALL]
    assert await machine.read("BUSY") == 0
    machine.durations = {}
    await expect_good_run(machine, steps)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def bad_headers_and_records(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(2, Random(9))
    low, high = TARGET.fingerprint & 0xFFFFFFFF, TARGET.fingerprint >> 32
    for header, error in (
            ({0: 5}, [ErrorCode.BAD_MAGIC, 0, 5, 0]),
            ({1: 2}, [ErrorCode.BAD_VERSION, 0, 2, 0]),
            ({2: low ^ 1}, [ErrorCode.BAD_FINGERPRINT, 0, low ^ 1, high]),
            ({3: high ^ 1}, [ErrorCode.BAD_FINGERPRINT, 0, low, high ^ 1]),
            ({4: 0}, [ErrorCode.BAD_HEADER, 0, 4, 0]),
            ({5: RECORDS + 2}, [ErrorCode.BAD_HEADER, 0, 5, RECORDS + 2]),
            ({6: 1}, [ErrorCode.BAD_HEADER, 0, 6, 1]),
            ({6: LOG, 7: 3}, [ErrorCode.BAD_HEADER, 0, 7, 3]),
            ({15: 9}, [ErrorCode.BAD_HEADER, 0, 15, 9])):
        machine.put_program(steps, header=header)
        assert await machine.run() == Status.ERROR
        assert await machine.error() == error
        assert [mask for _, mask in machine.commits] == [ALL]
    for record, error in (
            ({0: PACKETS + 1}, [ErrorCode.BAD_RECORD, 1, 0, PACKETS + 1]),
            ({1: 1 << 24}, [ErrorCode.BAD_RECORD, 1, 1, 1 << 24]),
            ({2: 1 << NODES}, [ErrorCode.BAD_RECORD, 1, 2, 1 << NODES]),
            ({3: 1 << 31}, [ErrorCode.BAD_RECORD, 1, 3, 1 << 31]),
            ({5: 7}, [ErrorCode.BAD_RECORD, 1, 5, 7]),
            ({7: 1}, [ErrorCode.BAD_RECORD, 1, 7, 1])):
        machine.put_program(steps, records={1: record})
        assert await machine.run() == Status.ERROR
        assert await machine.error() == error
    await expect_good_run(machine, steps)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def loader_error_names_step_packet_and_word(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(4, Random(10))
    machine.put_program(steps)
    # Step 2 has three packets of seven words.
    address = machine.memory[RECORDS + 64] + 4 * (7 + 3)
    machine.memory[address] ^= 1 << 4
    assert await machine.run() == Status.ERROR
    assert await machine.error() == [ErrorCode.LOADER_CRC, 2, 1, 6]
    assert [mask for _, mask in machine.commits[:-1]] == [step[1] for step in steps[:2]]
    bad = [[packet(1, 0, 0, [3, 15], 0)], 1, 1, 100]
    machine.put_program([bad])
    assert await machine.run() == Status.ERROR
    assert await machine.error() == [ErrorCode.LOADER_VALUE, 0, 0, 3]
    assert len(machine.words) == 1
    await expect_good_run(machine, steps)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def host_stop(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(3, Random(11))
    machine.durations = {(1, node): 100_000 for node in range(NODES)}
    steps = [(step[0], step[1], step[2], 1_000_000) for step in steps]
    machine.put_program(steps)
    await machine.write("CONTROL", 2)
    await machine.start()
    await machine.cycles(4000)
    assert await machine.read("STATUS") == Status.RUNNING
    assert await machine.read("STEP") == 1
    assert await machine.read("BUSY") == steps[1][1]
    # A second start changes nothing while a program runs.
    await machine.write("CONTROL", 1)
    await machine.write("CONTROL", 2)
    assert await machine.finish() == Status.ERROR
    assert (await machine.error())[:2] == [ErrorCode.STOPPED, 1]
    assert await machine.read("BUSY") == 0
    machine.durations = {}
    await expect_good_run(machine, steps)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def bus_errors_and_saturation(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(2, Random(12))
    machine.durations = {(0, node): 500 for node in range(NODES)}
    machine.put_program(steps)
    dut.saturated.value = 1
    await machine.cycles(5)
    dut.saturated.value = 0
    await machine.start()
    await machine.cycles(100)
    dut.saturated.value = 2
    await machine.cycles(1)
    dut.saturated.value = 0
    assert await machine.finish() == Status.DONE
    assert await machine.read("SATURATED") == 2
    await machine.start()
    await machine.cycles(800)
    dut.bus_error.value = 2
    await machine.cycles(1)
    dut.bus_error.value = 0
    assert await machine.finish() == Status.ERROR
    assert (await machine.error())[0::2] == [ErrorCode.BUS_ERROR, 2]
    assert await machine.read("BUS_ERROR") == 2
    assert await machine.read("SATURATED") == 0
    await expect_good_run(machine, steps)
    assert await machine.read("BUS_ERROR") == 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def memory_that_refuses_or_is_silent(dut):
    machine = Machine(dut)
    await machine.reset()
    steps = some_steps(2, Random(13))
    for address, error in ((PROGRAM + 4, ErrorCode.MEMORY_ERROR),
                           (RECORDS + 32, ErrorCode.MEMORY_ERROR),
                           (PACKETS + 4, ErrorCode.LOADER_MEMORY), (LOG, ErrorCode.MEMORY_ERROR)):
        machine.put_program(steps, log=LOG)
        machine.refuse = {address}
        assert await machine.run() == Status.ERROR
        assert (await machine.error())[0] == error
    machine.refuse = set()
    for name in ("cpu_read", "cpu_write"):
        machine.mute = {name}
        assert await machine.run() == Status.ERROR
        assert (await machine.error())[0] == ErrorCode.MEMORY_ERROR
        machine.mute = set()
        await machine.cycles(100)
        await expect_good_run(machine, steps)
        machine.put_program(steps, log=LOG)
    await expect_good_run(machine, steps)
