import numpy as np
import pytest
from amaranth.back import verilog

from hdl.target import Memory
from sim.rtl.machine import Machine, MachineError, MemoryBehaviour
from tests.rtl import copier

pytestmark = pytest.mark.rtl

MEMORY = Memory(size=1 << 18, peak=1_600_000_000)


def machine(data_width=64, *, fault=None, memory=MEMORY, **options):
    text = verilog.convert(copier.Copier(data_width, fault), name="neuflow", emit_src=False)
    return Machine({"neuflow.v": text}, memory=memory, clock_hz=100_000_000,
                   data_width=data_width, **options)


def copy(dut, source, target, bursts):
    """Run one copy; return cycles."""
    for address, value in ((copier.SOURCE, source), (copier.TARGET, target),
                           (copier.BURSTS, bursts), (copier.CONTROL, 1)):
        dut.write32(address, value)
    begin = dut.cycle
    assert dut.run_while(copier.STATUS, 1, limit=100_000, interval=8)
    return dut.cycle - begin


def fill(dut, seed=1):
    dut.memory[:] = np.random.default_rng(seed).integers(0, 256, len(dut.memory))


def check_copy(dut, source, target, bursts):
    before = dut.memory.copy()
    cycles = copy(dut, source, target, bursts)
    length = bursts * copier.BEATS * dut.data_width // 8
    expected = before.copy()
    expected[target:target + length] = before[source:source + length]
    assert np.array_equal(dut.memory, expected)
    assert dut.read32(copier.ERRORS) == 0
    return cycles


def test_registers():
    with machine() as dut:
        assert dut.read32(copier.ID) == copier.IDENTITY
        dut.write32(copier.SCRATCH, 0xDEADBEEF)
        assert dut.read32(copier.SCRATCH) == 0xDEADBEEF
        dut.reset()
        assert dut.read32(copier.SCRATCH) == 0


def test_refused_and_unanswered_access_is_an_error_and_leaves_the_port_usable():
    with machine() as dut:
        with pytest.raises(MachineError, match="write of address 64 is answered with error 2"):
            dut.write32(64, 1)
        assert dut.read32(copier.ID) == copier.IDENTITY
        with pytest.raises(MachineError, match="write of address 256 is not answered in 10000"):
            dut.write32(0x100, 1)
        assert dut.read32(copier.ID) == copier.IDENTITY


@pytest.mark.parametrize("data_width", [32, 64, 128, 256, 512])
def test_copies_on_every_width(data_width):
    with machine(data_width) as dut:
        fill(dut)
        check_copy(dut, 0x0, 0x20000, 20)
        check_copy(dut, 0x3000, 0x10000, 1)


@pytest.mark.parametrize("seed", range(4))
def test_copies_under_stalls_and_disorder(seed):
    behaviour = MemoryBehaviour(stall=0.4, disorder=True, seed=seed)
    with machine(behaviour=behaviour) as dut:
        fill(dut)
        check_copy(dut, 0x0, 0x20000, 100)


def test_same_seed_same_cycles():
    counts = []
    for seed in (1, 1, 2):
        with machine(behaviour=MemoryBehaviour(stall=0.3, seed=seed)) as dut:
            counts.append(copy(dut, 0, 0x20000, 50))
    assert counts[0] == counts[1] != counts[2]


def test_bandwidth_is_limited():
    # 13.6 bytes a cycle; the copier cannot use all of it when it starts and when it ends.
    with machine() as dut:
        length = 200 * copier.BEATS * 8
        cycles = copy(dut, 0, 0x10000, 200)
        assert dut.traffic == (length, length)
        assert 2 * length / 13.6 <= cycles <= 1.1 * 2 * length / 13.6 + 150


def test_latency():
    counts = []
    for latency in (40, 90):
        memory = Memory(size=1 << 18, peak=1_600_000_000, latency=latency)
        with machine(memory=memory) as dut:
            counts.append(copy(dut, 0, 0x10000, 1))
    # Once for the data, once for the response; looks are 8 cycles apart.
    assert abs(counts[1] - counts[0] - 100) <= 16
    assert counts[0] >= 2 * 40 + 2 * copier.BEATS


def test_outside_memory_is_slverr():
    with machine() as dut:
        fill(dut)
        before = dut.memory.copy()
        copy(dut, 1 << 20, 0x8000, 1)
        assert dut.read32(copier.ERRORS) == copier.BEATS
        assert not dut.memory[0x8000:0x8000 + 128].any()
        copy(dut, 0, 1 << 20, 2)
        assert dut.read32(copier.ERRORS) == 2
        before[0x8000:0x8000 + 128] = 0
        assert np.array_equal(dut.memory, before)


@pytest.mark.parametrize("behaviour", [
    {"hang": (0x400, 0x401)}, {"hang_id": 1}, {"hang": (0x20000, 0x20001)}])
def test_hang_and_recovery_by_reset(behaviour):
    with machine(behaviour=MemoryBehaviour(**behaviour)) as dut:
        fill(dut)
        for address, value in ((copier.SOURCE, 0), (copier.TARGET, 0x20000),
                               (copier.BURSTS, 30), (copier.CONTROL, 1)):
            dut.write32(address, value)
        assert not dut.run_while(copier.STATUS, 1, limit=20_000)
        dut.behave(hang=None, hang_id=None)
        dut.reset()
        check_copy(dut, 0, 0x20000, 30)


@pytest.mark.parametrize("fault, words", [
    ("size", "burst is not INCR with beats as wide as the bus"),
    ("boundary", "read burst crosses a 4 KiB boundary from address 4032"),
    ("last", "WLAST is not on the last beat"),
    ("hold", "write data changed or vanished before it was accepted"),
])
def test_protocol_errors_are_found(fault, words):
    with machine(fault=fault, behaviour=MemoryBehaviour(stall=0.5)) as dut:
        with pytest.raises(MachineError, match=f"^AXI protocol, cycle [0-9]+: .*{words}"):
            copy(dut, 0, 0x20000, 100)
        with pytest.raises(MachineError, match=words):
            dut.run(1)
        dut.reset()
        dut.run(100)


def test_run_counts_cycles():
    with machine() as dut:
        begin = dut.cycle
        dut.run(1234)
        assert dut.cycle - begin == 1234


@pytest.mark.parametrize("suffix", [".fst", ".vcd"])
def test_trace(tmp_path, suffix):
    path = tmp_path / f"wave{suffix}"
    with machine(trace=path) as dut:
        fill(dut)
        check_copy(dut, 0, 0x20000, 4)
    content = path.read_bytes()
    assert len(content) > 1000
    if suffix == ".vcd":
        assert b"m_axi_araddr" in content and b"#5000\n" in content


def test_trace_refuses_other_files(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.fst or \.vcd, not '\.wave'"):
        machine(trace=tmp_path / "x.wave")
    with pytest.raises(FileNotFoundError, match="x.fst"):
        machine(trace=tmp_path / "missing" / "x.fst")


def test_wrong_bus_width_is_refused():
    text = verilog.convert(copier.Copier(64), name="neuflow", emit_src=False)
    with pytest.raises(ValueError, match="data bus of 64 bits, not 32"):
        Machine({"neuflow.v": text}, memory=MEMORY, clock_hz=1, data_width=32)
