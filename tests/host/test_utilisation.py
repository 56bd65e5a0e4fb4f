from types import SimpleNamespace

import pytest

from host import utilisation
from host.steps import StepRecord


def step(layer, macs, predicted, *convolvers):
    return {"layer": layer, "macs": macs, "predicted_cycles": predicted,
            "convolvers": [{"tile": tile, "active_macs": busy} for tile, busy in convolvers]}


def record(number, layer, commit, end, active):
    return StepRecord(number, layer, layer, 0, commit, end, {"convolver0_active": active})


PROGRAM = SimpleNamespace(target="tiny", manifest={"steps": [
    step("conv", 20000, 1000, (0, 20.0)), step("conv", 5000, 300, (0, 12.5)),
    step("pool", 0, 200)]})
RECORDS = [record(0, "conv", 100, 1100, 1000), record(1, "conv", 1200, 1600, 400),
           record(2, "pool", 0xFFFFFFF0, 0x54, 0)]


def test_steps_of_a_layer_are_added_up():
    conv, pool = utilisation.layer_use(PROGRAM, RECORDS)
    assert (conv.layer, conv.macs, conv.predicted, conv.cycles) == ("conv", 25000, 1300, 1400)
    assert conv.utilisation == pytest.approx((1000 * 20 + 400 * 12.5) / (25 * 1400))
    assert (pool.layer, pool.cycles, pool.utilisation) == ("pool", 100, 0)


def test_the_whole_run_counts_the_cycles_between_steps():
    total = utilisation.total_use(PROGRAM, RECORDS, 2000)
    assert (total.macs, total.predicted, total.cycles) == (25000, 1500, 2000)
    assert total.utilisation == pytest.approx(25000 / (25 * 2000))
    assert total.data["utilisation"] == total.utilisation


def test_the_table_has_a_row_a_layer_and_the_whole():
    layers = utilisation.layer_use(PROGRAM, RECORDS)
    table = utilisation.use_table(layers, utilisation.total_use(PROGRAM, RECORDS, 2000))
    assert table.row_count == 3
    assert list(table.columns[0].cells) == ["conv", "pool", "whole run"]
    assert list(table.columns[-1].cells)[1:] == ["0.0%", "50.0%"]
