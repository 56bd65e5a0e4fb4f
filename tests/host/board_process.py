"""`neuflow simulate` in a process of its own, as a user has it."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class BoardProcess:
    """The process, and where it listens; `text` is what names it as a transport."""

    def __init__(self, process):
        self.process = process
        self.told = json.loads(process.stdout.readline())
        self.host, self.port = (self.told["listening"][key] for key in ("host", "port"))
        self.text = f"tcp:{self.host}:{self.port}"

    def cpu_seconds(self):
        """Return the time that the process has computed for."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


@contextlib.contextmanager
def simulated_board(target, *options):
    """Start a simulated board; kill it at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from host.cli import main; main()", "simulate", "--target", target,
         "--json", *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # Tests that run in the background of a shell have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        yield BoardProcess(process)
    finally:
        process.kill()
        process.communicate()
