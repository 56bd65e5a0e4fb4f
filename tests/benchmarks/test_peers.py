import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from hdl.target import Memory, get_target

FOLDER = Path(__file__).parents[2] / "benchmarks"
TINY = get_target("tiny")

#: An accelerator with NNgen's ports: copies a word of memory to the next one, inverted.
COPIER = """
module peer(
  input CLK, input RESETN,
  output reg [31:0] maxi_awaddr, output [7:0] maxi_awlen, output [2:0] maxi_awsize,
  output [1:0] maxi_awburst, output reg maxi_awvalid, input maxi_awready,
  output reg [31:0] maxi_wdata, output [3:0] maxi_wstrb, output maxi_wlast,
  output reg maxi_wvalid, input maxi_wready,
  input [1:0] maxi_bresp, input maxi_bvalid, output maxi_bready,
  output reg [31:0] maxi_araddr, output [7:0] maxi_arlen, output [2:0] maxi_arsize,
  output [1:0] maxi_arburst, output reg maxi_arvalid, input maxi_arready,
  input [31:0] maxi_rdata, input [1:0] maxi_rresp, input maxi_rlast, input maxi_rvalid,
  output maxi_rready,
  input [31:0] saxi_awaddr, input saxi_awvalid, output saxi_awready,
  input [31:0] saxi_wdata, input [3:0] saxi_wstrb, input saxi_wvalid, output saxi_wready,
  output [1:0] saxi_bresp, output reg saxi_bvalid, input saxi_bready,
  input [31:0] saxi_araddr, input saxi_arvalid, output saxi_arready,
  output reg [31:0] saxi_rdata, output [1:0] saxi_rresp, output reg saxi_rvalid,
  input saxi_rready);
  assign {maxi_awlen, maxi_arlen, saxi_bresp, saxi_rresp} = 0;
  assign {maxi_awsize, maxi_arsize, maxi_awburst, maxi_arburst} = {3'd2, 3'd2, 2'd1, 2'd1};
  assign {maxi_wstrb, maxi_wlast, maxi_bready, maxi_rready} = 7'h7f;
  assign saxi_awready = saxi_awvalid & saxi_wvalid & ~saxi_bvalid;
  assign saxi_wready = saxi_awready;
  assign saxi_arready = saxi_arvalid & ~saxi_rvalid;
  reg busy;
  always @(posedge CLK)
    if (!RESETN)
      {busy, maxi_awvalid, maxi_wvalid, maxi_arvalid, saxi_bvalid, saxi_rvalid} <= 0;
    else begin
      if (saxi_awready) begin
        saxi_bvalid <= 1;
        if (saxi_awaddr == 16) {busy, maxi_arvalid, maxi_araddr} <= {2'b11, 32'd64};
      end
      if (saxi_bvalid & saxi_bready) saxi_bvalid <= 0;
      if (saxi_arready) {saxi_rvalid, saxi_rdata} <= {1'b1, 31'd0, busy & saxi_araddr == 20};
      if (saxi_rvalid & saxi_rready) saxi_rvalid <= 0;
      if (maxi_arvalid & maxi_arready) maxi_arvalid <= 0;
      if (maxi_rvalid) begin
        {maxi_awvalid, maxi_awaddr} <= {1'b1, 32'd68};
        {maxi_wvalid, maxi_wdata} <= {1'b1, ~maxi_rdata};
      end
      if (maxi_awvalid & maxi_awready) maxi_awvalid <= 0;
      if (maxi_wvalid & maxi_wready) maxi_wvalid <= 0;
      if (maxi_bvalid) busy <= 0;
    end
endmodule
"""


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("peers")


@pytest.fixture
def peer(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("_peer")


def test_cases_are_those_that_were_cited(peers):
    macs = [case.macs for case in peers.CASES]
    assert macs == [86_400, 153_600, 1_254_400, 19_360_000, 115_605_504]
    for case in peers.CASES:
        assert 50 <= case.multipliers <= 100 and 50 <= case.cited[1] <= 100
        # No accelerator can be faster than its multipliers.
        assert case.cited[0] * case.cited[1] > case.macs


@pytest.mark.rtl
def test_a_case_agrees_with_the_reference_and_adds_up(peers):
    case = peers.Case(2, 12, 3, 5, {"par_och": 2}, (1000, 50))
    ours = peers.measure(case, TINY)
    assert 0 < ours.start < ours.start + ours.steps < ours.cycles < ours.first
    assert ours.steps >= case.macs / TINY.macs


def test_table_and_data_say_what_was_measured_and_what_is_cited(peers, peer):
    case = peers.CASES[0]
    ours = peers.Measured(4000, 4700, 800, 2800, case.macs)
    run = peer.PeerRun(3800, 4000, 7000)
    assert peers.data(case, ours, run)["nngen"]["cycles"] == 3800
    entry = json.loads(json.dumps(peers.data(case, ours, None)))
    assert entry["cited"] == {"cycles": 4737, "multipliers": 50} and "nngen" not in entry
    assert entry["ours"]["busy"] == pytest.approx(86_400 / 400_000)
    cells = [list(column.cells) for column in peers.table([(case, ours, None)]).columns]
    assert cells == [[case.name], ["4,000"], ["100"], ["21.6%"], ["-"], ["-"], ["4,737"], ["50"]]


@pytest.mark.rtl
def test_an_accelerator_runs_behind_our_memory(peer):
    image = np.arange(68, dtype=np.uint8)
    memory = Memory(size=1 << 16, peak=1_600_000_000)
    runs = [peer.run(COPIER, image, ~image[64:68], 68, memory=memory, clock_hz=clock)
            for clock in (200_000_000, 200_000_000)]
    assert runs[0] == runs[1] == peer.PeerRun(runs[0].cycles, 4, 4)
    # The read, the response of the write, a few cycles for the start and for each look.
    assert 80 < runs[0].cycles < 120
    with pytest.raises(peer.PeerError, match="writes other samples than NNgen's model"):
        peer.run(COPIER, image, image[64:68], 68, memory=memory, clock_hz=200_000_000)


def test_an_interpreter_without_nngen_is_named(peer, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named nngen' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(peer.PeerError, match="^NNgen fails under .*python:\nNo module named nngen"):
        peer.generate(python, b"", np.zeros(1, np.int16), {})
