import io

import pytest

from host import console
from host.console import ProgressDisplay


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_for_each_piece_of_work(clock):
    file = io.StringIO()
    with ProgressDisplay(file) as progress:
        progress("Building: file 1 of 9")
        progress("Building: file 2 of 9")
        progress("Running", 0, 2000)
        clock[0] += 4
        progress("Running", 1000, 2000)
    assert file.getvalue() == "Building: file 1 of 9 ...\nRunning, 0 of 2,000\n"


def test_a_log_gets_a_line_now_and_then_with_the_time_left(clock):
    file = io.StringIO()
    with ProgressDisplay(file) as progress:
        progress("Running", 0, 2000)
        clock[0] += 100
        progress("Running", 1000, 2000)
        clock[0] += 1
        progress("Running", 1001, 2000)
        clock[0] += 10
        progress("Running", 2000, 2000, unit="cycles")
    assert file.getvalue() == ("Running, 0 of 2,000\n"
                               "Running, 1,000 of 2,000, 1 min 40 s left\n"
                               "Running, 2,000 of 2,000 cycles\n")


def test_a_share_is_shown_in_percent(clock):
    file = io.StringIO()
    with ProgressDisplay(file) as progress:
        progress("Building", 0.0)
        clock[0] += 30
        progress("Building", 0.75)
    assert file.getvalue() == "Building, 0%\nBuilding, 75%, 10 s left\n"


def test_a_terminal_gets_a_bar_that_is_cleared(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = Terminal()
    with ProgressDisplay(file) as progress:
        progress("Running [red]", 500, 2000)
        progress.pause()
        progress("Building")
    assert "Running [red]" in file.getvalue()
    assert "500 of 2,000" in file.getvalue()
    assert "Building" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K")
