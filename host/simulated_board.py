"""A simulated board: the machine with its byte link under Verilator, behind a TCP port."""

import contextlib
import json
import selectors
import signal
import socket
import time

from hdl.control.host_registers import HOST_REGISTER, Status
from hdl.link.parameters import LEAST_DIVISOR, Link

from . import files
from .outcome import UsageError, named_target

__all__ = ["LINK", "SimulatedBoard", "simulate_board"]

#: The line is as fast as it goes; memory answers at once compared with the patience.
LINK = Link(LEAST_DIVISOR, patience=1 << 14)

#: Cycles without a byte after which nothing more can come of one: what the link may wait for
#: memory, twice, and the answer to its largest request.
_REST = 2 * LINK.patience + 600 * 10 * LINK.divisor

#: Bytes of a client that wait for the line at most; more are lost, as in a line's own buffers.
_QUEUE = 1 << 16

#: Seconds of simulation between two looks at the clients, and between two lines of status.
_SLICE, _STATUS = 0.02, 0.25

#: Seconds that a client may take to accept bytes.
_PATIENCE = 10.0


def _address(text):
    """Return host and port of ``HOST:PORT``."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise UsageError(f"--listen {text}: it must be HOST:PORT with a port from 0 to 65535, such "
                         "as 127.0.0.1:7000 or, for any free port, 127.0.0.1:0")
    return host.strip("[]"), int(port)


def _bound(text):
    """Return a socket bound to ``HOST:PORT``, which does not listen yet."""
    host, port = _address(text)
    made = None
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        return made
    except OSError as error:
        if made is not None:
            made.close()
        raise UsageError(f"--listen {text}: {error.strerror or error}; choose another port, or "
                         "port 0 for any that is free") from None


class SimulatedBoard:
    """Carries bytes between a client and the serial line of a simulated machine.

    Time passes in the machine while bytes are on their way, a request may still be served, or a
    program runs; otherwise the process sleeps. A second client is turned away. What a client that
    left has sent is still carried out; answers to it are dropped. Of what is sent faster than the
    line carries it, 64 KiB are kept.

    Parameters
    ----------
    machine : sim.rtl.machine.Machine
        Made with `LINK`.
    listener : socket.socket
        Listens for clients.
    progress : callable, optional
        ``progress(text)`` some times a second while time passes.
    """

    def __init__(self, machine, listener, progress=None):
        self.machine, self.listener, self.progress = machine, listener, progress
        self._client = None
        self._name = "no client"
        self._slice = 1000  # cycles
        self._quiet = _REST  # cycles since the last byte
        self._told = 0.0

    def serve(self):
        """Serve clients for ever; returns on KeyboardInterrupt only, by raising it."""
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self.listener, selectors.EVENT_READ)
            try:
                while True:
                    self._turn()
            finally:
                self._leave()

    def _turn(self):
        ready = [key.fileobj for key, _ in self._selector.select(0 if self._awake() else None)]
        # A client that has left makes room for the next one.
        if self._client in ready:
            self._take()
        if self.listener in ready:
            self._accept()
        if self._awake():
            self._advance()

    def _awake(self):
        """Return whether anything can happen without a byte from the client."""
        return self._quiet < _REST or self._running()

    def _running(self):
        return self.machine.read32(HOST_REGISTER["STATUS"].address) == Status.RUNNING

    def _accept(self):
        try:
            client, (host, port, *_) = self.listener.accept()
        except OSError:
            return  # gone again
        if self._client is not None:
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client, self._name = client, f"client {host}:{port}"
        self._selector.register(client, selectors.EVENT_READ)

    def _take(self):
        """Give the machine what the client has sent."""
        while True:
            try:
                data = self._client.recv(_QUEUE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._leave()
                return
            self.machine.line_send(data[:max(0, _QUEUE - self.machine.line_pending)])
            self._quiet = 0

    def _leave(self):
        if self._client is not None:
            self._selector.unregister(self._client)
            self._client.close()
            self._client, self._name = None, "no client"

    def _advance(self):
        """Let time pass in the machine; give the client what comes of it."""
        begin, cycle = time.perf_counter(), self.machine.cycle
        self.machine.run_line(self._slice)
        taken, passed = time.perf_counter() - begin, self.machine.cycle - cycle
        if passed == self._slice:
            self._slice = int(min(max(passed * _SLICE / max(taken, 1e-6), 100), 4 * passed))
        data = self.machine.line_receive()
        busy = data or self.machine.line_pending
        self._quiet = 0 if busy else self._quiet + passed
        if data and self._client is not None:
            try:
                self._client.settimeout(_PATIENCE)
                self._client.sendall(data)
                self._client.setblocking(False)
            except OSError:
                self._leave()
        if self.progress and begin - self._told >= _STATUS:
            self._told = begin
            self.progress(f"Simulating: {self.machine.cycle:,} cycles, {self._name}")


def simulate_board(target, listen, *, trace=None, as_json=False, progress=None):
    """Simulate a board until the process is interrupted.

    Says on stdout where it listens as soon as it does.

    Parameters
    ----------
    target : str
        Name of the machine.
    listen : str
        ``HOST:PORT``; port 0 takes any that is free.
    trace : path-like or None
        Wave file, complete at the end.
    as_json : bool
        Say it as one line of JSON.
    progress : ProgressDisplay
        Told how far the work is.

    Raises
    ------
    UsageError
        If it cannot listen there, or there is no such machine.
    Exception
        Another one of `host.outcome.user_errors`.
    """
    from sim.rtl.machine import Machine

    made = named_target(target)
    if trace is not None:
        files.check_output(trace, files.TRACE_SUFFIXES)
    with contextlib.ExitStack() as stack:
        # Bound before the build, which takes a while; open to clients after it.
        listener = stack.enter_context(_bound(listen))
        waves = stack.enter_context(files.replacing(trace)) if trace else None
        machine = stack.enter_context(
            Machine.for_target(made, trace=waves, progress=progress, link=LINK))
        progress.pause()
        with contextlib.suppress(KeyboardInterrupt), _interruptible():
            listener.listen()
            print(_announcement(made, listener, as_json), flush=True)
            SimulatedBoard(machine, listener, progress).serve()


def _announcement(target, listener, as_json):
    """Return the line that says where a board listens."""
    host, port, *_ = listener.getsockname()
    data = {"listening": {"host": host, "port": port}, "target": target.name,
            "fingerprint": f"{target.fingerprint:016x}"}
    shown = f"[{host}]" if ":" in host else host
    return json.dumps(data) if as_json else (
        f"{target.name}, fingerprint {data['fingerprint']}, listens on {host} port {port}: "
        f"--transport tcp:{shown}:{port} (Ctrl-C ends it)")


@contextlib.contextmanager
def _interruptible():
    """Let SIGTERM end the block as SIGINT does."""
    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
