import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sim.rtl.cocotb_runner import run_cocotb

pytestmark = pytest.mark.rtl


class Counter(wiring.Component):
    enable: In(1)
    count: Out(8)

    def elaborate(self, platform):
        m = Module()
        with m.If(self.enable):
            m.d.sync += self.count.eq(self.count + 1)
        return m


def test_passing_bench_passes(tmp_path):
    assert run_cocotb(Counter(), "counter", "tests.rtl.runner_bench", tmp_path) == 1


def test_failing_bench_fails(tmp_path):
    with pytest.raises(pytest.fail.Exception, match="1 of 2 cocotb tests failed"):
        run_cocotb(Counter(), "counter", "tests.rtl.runner_bench", tmp_path,
                   environment={"RUNNER_FAILS": "1"})


def test_bench_without_tests_fails(tmp_path):
    with pytest.raises(pytest.fail.Exception, match="no cocotb test ran"):
        run_cocotb(Counter(), "counter", "tests.rtl.test_runner", tmp_path)


def test_missing_bench_fails(tmp_path):
    with pytest.raises(pytest.fail.Exception, match="no cocotb test ran"):
        run_cocotb(Counter(), "counter", "tests.rtl.no_such_bench", tmp_path)
