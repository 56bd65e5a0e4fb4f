"""Options of `neuflow bench` that cannot be."""

import pytest
from typer.testing import CliRunner

from host import cli


@pytest.mark.parametrize(("arguments", "message"), [
    ("scene --height 40", "must be multiples of 16, not 40x320"),
    ("scene --width 336", "too few for a frame of 240x336"),
    ("scene --maps 1 2 3", "three stages of 3 maps or more"),
    ("scene --picture labels.jpg", "labels.jpg: its name must end in .png"),
    ("scene --target big", "unknown target 'big'"),
    ("layers --network resnet", "unknown network 'resnet'; networks are vgg16, alexnet"),
    ("layers --target big", "unknown target 'big'"),
])
def test_what_cannot_be_is_refused(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["bench", *arguments.split()])
    assert result.exit_code == 2
    assert message in result.stderr and result.stdout == ""
