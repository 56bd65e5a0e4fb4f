import json
import signal
import socket
import time

import numpy as np
import pytest

import neuflow
from examples.lenet5 import data
from hdl.control.counters import counter_names
from hdl.control.host_registers import HOST_REGISTER, Status, counter_address
from hdl.target import get_target
from host.device import open_device
from host.driver import TargetMismatchError
from host.transports.link import LinkError
from tests.host import models
from tests.host.board_process import ROOT, simulated_board
from tests.host.test_cli import neuflow as command

pytestmark = pytest.mark.rtl

TINY = get_target("tiny")


def compiled(seed=1, target="tiny"):
    return neuflow.compile(models.convolution(then="Tanh", seed=seed).SerializeToString(),
                           target=target, calibration=models.calibration())


@pytest.fixture(scope="module")
def board():
    with simulated_board("tiny") as board:
        yield board


def reference(program, images):
    with open_device(program, "reference") as device:
        return device.run(images, raw=True)


def test_programs_run_bit_exactly_one_after_the_other(board):
    images = np.random.default_rng(3).uniform(-1, 1, (2, 1, models.SIZE, models.SIZE))
    for seed in (1, 2):
        program = compiled(seed)
        with open_device(program, "board", transport=board.text) as device:
            outputs = device.run(images.astype(np.float32), raw=True)
            steps, counters = device.steps(), device.counters()
        assert neuflow.first_difference(reference(program, images), outputs) is None
        assert list(counters) == list(counter_names(TINY))
        assert sum(step.cycles for step in steps) <= counters["cycles"]


def test_the_command_runs_and_describes(board, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compiled().save(tmp_path / "small.neuflow")
    np.save("image.npy", models.calibration(1, seed=3)["image"])
    run = json.loads(command("run", "small.neuflow", "image.npy", "--backend", "board",
                             "--transport", board.text, "--json").stdout)
    assert run["backend"] == "board" and run["cycles"] > 100
    told = json.loads(command("board", "--transport", board.text, "--json").stdout)
    assert told["target"] == "tiny" and told["status"]["status"] == "done"
    assert told["fingerprint"] == board.told["fingerprint"] == f"{TINY.fingerprint:016x}"
    assert told["cycles"] == told["counters"]["cycles"] == run["cycles"]
    assert (told["tiles"], told["ports"], told["convolvers"]) == (4, 2, 1)
    text = command("board", "--transport", board.text).stdout
    assert "status: done" in text and f"{run['cycles']:,}" in text


def test_a_board_with_another_machine_is_refused(board):
    with pytest.raises(TargetMismatchError, match="the machine is tiny .* not ecp5-85k"):
        open_device(compiled(target="ecp5-85k"), "board", transport=board.text)


def test_a_second_client_is_turned_away_and_noise_harms_nobody(board):
    with socket.create_connection((board.host, board.port)) as first:
        first.sendall(np.random.default_rng(5).bytes(2000))
        with pytest.raises(LinkError, match="read registers, 1 words from 0x0 .*another client"):
            open_device("tiny", "board", transport=board.text)
    # The first has left in the middle of what may be a frame.
    with open_device("tiny", "board", transport=board.text) as device:
        assert device.status().error == 0


def test_a_board_sleeps_when_nothing_happens(board):
    with open_device("tiny", "board", transport=board.text) as device:
        device.status()
        deadline = time.monotonic() + 60
        while True:
            before = board.cpu_seconds()
            time.sleep(1)
            if board.cpu_seconds() - before < 0.05:
                break
            assert time.monotonic() < deadline, "the board goes on computing"
        device.status()


def test_a_program_runs_on_while_nobody_watches(board):
    with open_device(compiled(), "board", transport=board.text) as device:
        device.run(models.calibration(1)["image"])
        cycles = device.counters()["cycles"]
        device.driver.transport.write32(HOST_REGISTER["CONTROL"].address, 1)
    time.sleep(2)
    with open_device("tiny", "board", transport=board.text) as device:
        assert device.status().status == Status.DONE
        counted = device.driver.transport.read32(counter_address(0))
        # Memory has its own pace: a beat may come some cycles sooner or later.
        assert 0.9 * cycles < counted < 1.1 * cycles


def test_a_board_that_dies_is_told_with_what_was_asked():
    program = compiled()
    with simulated_board("tiny") as board:
        device = open_device(program, "board", transport=board.text)
        board.process.kill()
        board.process.wait()
        with device, pytest.raises(LinkError, match=f"^{board.text}: write memory, [0-9]+ words "
                                                    "from 0x[0-9a-f]+ on: "):
            device.run(models.calibration(1)["image"])


def test_a_board_that_falls_silent_is_told(board):
    with open_device("tiny", "board", transport=board.text, timeout=1.0) as device:
        board.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(LinkError, match="read registers, 1 words from .*: no answer to 4 "
                                                "requests within 1 s each"):
                device.status()
        finally:
            board.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_board_ends_cleanly(number):
    with simulated_board("tiny") as board:
        with socket.create_connection((board.host, board.port)) as client:
            client.sendall(b"\x7e")
            board.process.send_signal(number)
            out, errors = board.process.communicate(timeout=120)
    assert (board.process.returncode, out) == (0, "")
    assert "Traceback" not in errors and "error" not in errors


@pytest.mark.slow
def test_a_board_writes_waves(tmp_path):
    waves = tmp_path / "board.vcd"
    with simulated_board("tiny", "--trace", str(waves)) as board:
        with open_device("tiny", "board", transport=board.text) as device:
            device.status()
        board.process.send_signal(signal.SIGINT)
        board.process.communicate(timeout=60)
    assert board.process.returncode == 0
    text = waves.read_text()
    assert "$enddefinitions" in text and " tx " in text


@pytest.mark.slow
def test_lenet_classifies_digits_through_the_link_bit_exactly():
    """Ten digits on the simulated ECP5 machine, in the memory that its chip has."""
    target = get_target("ecp5-85k")
    program = neuflow.compile(ROOT / "examples/lenet5/lenet5.onnx", target=target.name,
                              calibration=data.calibration())
    images, labels = data.load_test()
    with simulated_board(target.name) as board:
        with open_device(program, "board", transport=board.text) as device:
            outputs = device.run(images[:10], raw=True)
    assert neuflow.first_difference(reference(program, images[:10]), outputs) is None
    assert (outputs["logits"].reshape(10, -1).argmax(axis=1) == labels[:10]).sum() >= 9
