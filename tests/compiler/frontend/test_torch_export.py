import importlib.util
import sys
import types

import numpy as np
import pytest

import neuflow
from compiler.errors import CompileError
from tests.host import models

HAS_TORCH = importlib.util.find_spec("torch") is not None


class Module:
    """Stands for torch.nn.Module."""

    def __init__(self, proto=None, error=None):
        self.proto, self.error = proto, error
        self.training, self.modes = True, []

    def forward(self, image):
        raise NotImplementedError

    def eval(self):
        self.train(False)

    def train(self, mode):
        self.training = mode
        self.modes.append(mode)


@pytest.fixture
def fake_torch(monkeypatch):
    """Put a torch in place that exports what the module holds."""
    import contextlib

    exported = []

    def export(module, inputs, file, **options):
        exported.append((inputs, options))
        if module.error:
            raise module.error
        file.write(module.proto.SerializeToString())

    torch = types.SimpleNamespace(
        nn=types.SimpleNamespace(Module=Module), no_grad=contextlib.nullcontext,
        as_tensor=np.asarray, onnx=types.SimpleNamespace(export=export), exported=exported)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


EXAMPLE = np.zeros((1, 1, 6, 6), np.float32)


@pytest.mark.parametrize("example", [EXAMPLE, (EXAMPLE,), {"image": EXAMPLE}])
def test_a_module_is_exported_and_compiled(fake_torch, example):
    proto = models.convolution(then="Relu")
    module, calibration = Module(proto), models.calibration()
    program = neuflow.compile(module, example, target="tiny", calibration=calibration["image"])
    wanted = neuflow.compile(proto, target="tiny", calibration=calibration)
    assert program.to_bytes() == wanted.to_bytes()
    (inputs, options), = fake_torch.exported
    assert options["input_names"] == ["image"] and inputs[0] is EXAMPLE
    # In evaluation while it is exported, and as it was afterwards.
    assert module.modes == [False, True]


def test_what_torch_says_is_one_line(fake_torch):
    module = Module(error=RuntimeError("operator aten::fold\nis not supported\n"))
    with pytest.raises(CompileError, match=r"^Module: torch cannot export the module to ONNX: "
                                           r"operator aten::fold$"):
        neuflow.compile(module, EXAMPLE)
    assert module.training


def test_what_cannot_be_compiled(fake_torch):
    with pytest.raises(CompileError, match="Module: a PyTorch module needs an example_input"):
        neuflow.compile(Module())
    with pytest.raises(CompileError, match="the model is of type list; it must be a PyTorch"):
        neuflow.compile([1, 2])
    with pytest.raises(CompileError, match="2 example inputs for a forward of 1 parameters"):
        neuflow.compile(Module(), (EXAMPLE, EXAMPLE))
    with pytest.raises(CompileError, match="example_input is for PyTorch modules, .*target="):
        neuflow.compile(models.convolution(), "tiny")


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CompileError, match=r"the model is of type Module: not an ONNX file, .* "
                                           r"needs torch: pip install 'neuflow\[torch\]'"):
        neuflow.compile(Module(), EXAMPLE)


@pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")
def test_a_real_module_gives_torch_s_numbers():
    import torch

    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(36, 5))
    images = torch.rand(20, 1, 6, 6)
    network(images)
    program = neuflow.compile(network, images[:1], target="tiny", calibration=images)
    assert network.training
    with torch.no_grad():
        wanted = network.eval()(images).numpy()
    outputs = neuflow.evaluate(program, images.numpy())
    found, = outputs.values()
    assert np.abs(found - wanted).max() < 1e-3
