import dataclasses
import json
import re
from html.parser import HTMLParser

import networkx as nx
import pytest
from typer.testing import CliRunner

from compiler.compile import compile_model
from examples.lenet5 import data, evaluate
from hdl.target import get_target
from host import cli
from host.report import report_page, write_report
from host.report.machine import activity
from host.report.network import network_graph, network_picture
from sim.functional import FunctionalMachine
from tests.host import models

TINY = get_target("tiny")


@pytest.fixture(scope="module")
def lenet():
    return compile_model(evaluate.MODEL, "tiny", data.calibration())


class _Page(HTMLParser):
    """Collects a page's tables, links and text, and checks that its elements are closed."""

    VOID = {"meta", "br"}

    def __init__(self, content):
        super().__init__()
        self.open, self.links, self.tables, self.kinds = [], [], [], []
        self.feed(content)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("rect", "path"):
            self.kinds.append(attributes.get("class", ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, content):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += content


def test_the_page_stands_alone_and_holds_the_figures(lenet):
    content = report_page(lenet, "lenet5")
    page = _Page(content)
    assert page.links == [] and "<script" not in content and "@import" not in content
    assert "url(" not in content.replace("url(#arrow)", "")
    layers, numbers = page.tables
    cycles = {}
    for step in lenet.manifest["steps"]:
        cycles[step["layer"]] = cycles.get(step["layer"], 0) + step["predicted_cycles"]
    assert {row[0]: row[3] for row in layers[1:-1]} == {
        name: f"{count:,}" for name, count in cycles.items()}
    assert layers[-1][3] == f"{lenet.predicted_cycles:,}"
    assert all(re.fullmatch(r"exact|[\d.]+ dB", row[-1]) for row in layers[1:-1])
    assert [row[0] for row in numbers[1:]] == [
        entry["name"] for entry in lenet.manifest["quantisation"]["tensors"]]
    # Every step has its bars, every block of memory its rectangle.
    assert page.kinds.count("convolver") == len(lenet.manifest["steps"])
    assert page.kinds.count("block") == len(lenet.manifest["certificates"]["memory"])
    assert page.kinds.count("layer") == len(cycles) and page.kinds.count("input") == 1


def test_names_are_escaped(lenet):
    steps = [{**step, "layer": "<b>&"} for step in lenet.manifest["steps"]]
    odd = dataclasses.replace(lenet, manifest={**lenet.manifest, "steps": steps})
    content = report_page(odd, "a <i> network")
    _Page(content)
    assert "<b>" not in content and "<i>" not in content and "&lt;b&gt;&amp;" in content


def test_the_network_is_drawn_as_it_runs(lenet):
    graph = network_graph(lenet)
    assert list(nx.topological_sort(graph)) == [
        "image", "conv1+tanh1+pool1", "conv2+tanh2+pool2", "conv3+tanh3", "fc"]
    assert graph.edges["image", "conv1+tanh1+pool1"]["tensor"] == "image, 1x32x32"
    assert network_picture(lenet).count("<rect") == 5


def test_bars_are_the_cycles_that_the_compiler_reports(lenet):
    machine = FunctionalMachine(TINY)
    machine.load(0, lenet.image)
    for described, (step, active) in zip(lenet.manifest["steps"], machine.prepare().steps,
                                         strict=True):
        parts = dict(activity(TINY, active, step.commit))
        report, = described["convolvers"]
        assert parts[f"tile {report['tile']} convolver"] == report["chain_cycles"]
        assert parts["port 0 weights"] == report["weights"]


def test_the_command_writes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models.good(tmp_path / "small.onnx")
    result = CliRunner().invoke(cli.app, ["compile", "small.onnx", "--report", "a/b", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["report"] == "a/b/small.html"
    _Page((tmp_path / "a/b/small.html").read_text())
    result = CliRunner().invoke(cli.app, ["compile", "small.onnx", "--report", "small.onnx/x",
                                          "-o", "other.neuflow"])
    assert result.exit_code == 2 and "small.onnx/x" in result.stderr
    assert not (tmp_path / "other.neuflow").exists()


def test_nothing_is_left_when_it_fails(lenet, tmp_path):
    broken = dataclasses.replace(lenet, manifest={
        name: value for name, value in lenet.manifest.items() if name != "certificates"})
    with pytest.raises(KeyError):
        write_report(broken, tmp_path / "reports", "x")
    assert list(tmp_path.iterdir()) == []
