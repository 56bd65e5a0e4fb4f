"""Connections to boards: serial ports and TCP, named as users type them.

``serial:DEVICE@BAUD`` is a serial port, such as ``serial:/dev/ttyUSB0@1000000``;
``tcp:HOST:PORT`` a simulated board (``neuflow simulate``) or a terminal server.
"""

import os
import socket
from dataclasses import dataclass

import serial

from hdl.link.protocol import MOST_WORDS

from .link import LinkError, LinkTransport, PipeError

__all__ = ["FORMS", "SerialPipe", "TcpPipe", "connect", "parse"]

#: What a transport may be.
FORMS = "serial:DEVICE@BAUD or tcp:HOST:PORT"

#: Seconds for an answer: over TCP the board may be a slow simulation. Those of a serial line are
#: on top of the time that its bytes take.
_TCP_SECONDS, _SERIAL_SECONDS = 10.0, 0.5

#: Most bytes of a request and of an answer: every byte of header, address, data and CRC escaped.
_LONGEST = 2 + 2 * (12 + 4 * MOST_WORDS)

_ONE = "does it serve another client?"

#: Bits of a byte on a serial line.
_BITS = 10


@dataclass(frozen=True)
class _Place:
    """A transport taken apart: kind, host or device, port number or baud rate."""

    kind: str
    name: str
    number: int


def parse(text):
    """Take a transport's name apart.

    Raises
    ------
    LinkError
        If it is none; the message says what would be one.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in ("serial", "tcp"):
        raise LinkError(f"unknown transport {text!r}; it must be {FORMS}")
    mark, what = ("@", "baud rate") if kind == "serial" else (":", "port")
    name, found, number = rest.rpartition(mark)
    if not found or not name:
        raise LinkError(f"transport {text!r} lacks its {what}; it must be {FORMS}")
    most = 65_535 if kind == "tcp" else 100_000_000
    if not (number.isascii() and number.isdecimal()) or not 1 <= int(number) <= most:
        raise LinkError(f"transport {text!r}: the {what} must be a number from 1 to {most}, "
                        f"not {number!r}")
    return _Place(kind, name.strip("[]") if kind == "tcp" else name, int(number))


def connect(text, seconds=None):
    """Connect to the board that a transport's name says.

    Parameters
    ----------
    text : str
        ``serial:DEVICE@BAUD`` or ``tcp:HOST:PORT``.
    seconds : float, optional
        Time for an answer; by default 10 s over TCP, and over a serial port half a second and what
        the longest request and answer take.

    Returns
    -------
    LinkTransport

    Raises
    ------
    LinkError
        If there is no such board, or it does not answer.
    """
    place = parse(text)
    if seconds is not None and not seconds > 0:
        raise LinkError(f"the time for an answer must be positive, not {seconds:g} s")
    if place.kind == "tcp":
        pipe, usual = TcpPipe(place.name, place.number, text), _TCP_SECONDS
    else:
        pipe = SerialPipe(place.name, place.number, text)
        usual = _SERIAL_SECONDS + 2 * _LONGEST * _BITS / place.number
    try:
        return LinkTransport(pipe, text, seconds=seconds or usual)
    except BaseException:
        pipe.close()
        raise


class TcpPipe:
    """Bytes over a TCP connection; see `host.transports.link.Pipe`.

    Parameters
    ----------
    host : str
        Name or address.
    port : int
        Port.
    name : str
        What it is called in errors.

    Raises
    ------
    LinkError
        If nothing listens there.
    """

    def __init__(self, host, port, name):
        try:
            self._socket = socket.create_connection((host, port), timeout=_TCP_SECONDS)
        except OSError as error:
            raise LinkError(f"{name}: cannot connect: {error.strerror or error}; does a board, "
                            "or `neuflow simulate --listen`, listen there?") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        """Send bytes."""
        try:
            self._socket.settimeout(_TCP_SECONDS)
            self._socket.sendall(data)
        except OSError as error:
            raise PipeError(f"cannot send: {error.strerror or error}") from None

    def receive(self, seconds):
        """Return what has come, or comes within so many seconds; perhaps nothing."""
        try:
            self._socket.settimeout(seconds)
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            return b""
        except OSError as error:
            raise PipeError(f"the connection broke: {error.strerror or error}; {_ONE}") from None
        if not data:
            raise PipeError(f"the board closed the connection; {_ONE}")
        return data

    def close(self):
        """End the connection."""
        self._socket.close()


class SerialPipe:
    """Bytes over a serial port; see `host.transports.link.Pipe`.

    8 data bits, no parity, 1 stop bit, no flow control.

    Parameters
    ----------
    device : str
        Device, such as ``/dev/ttyUSB0`` or ``COM3``.
    baud : int
        Bits a second.
    name : str
        What it is called in errors.

    Raises
    ------
    LinkError
        If there is no such port, another program has it, or it cannot be so fast.
    """

    #: Seconds that one call waits for bytes at most.
    _WAIT = 0.05

    def __init__(self, device, baud, name):
        try:
            self._port = serial.Serial(device, baud, timeout=self._WAIT, exclusive=True)
            self._port.reset_input_buffer()
        except ValueError:
            raise LinkError(f"{name}: {device} cannot do {baud:,} baud") from None
        except (OSError, serial.SerialException) as error:
            raise LinkError(f"{name}: cannot open {device}: {_reason(error)}") from None

    def send(self, data):
        """Send bytes."""
        try:
            self._port.write(data)
        except (OSError, serial.SerialException) as error:
            raise PipeError(f"cannot send: {_reason(error)}") from None

    def receive(self, seconds):
        """Return what has come, or comes within a twentieth of a second; perhaps nothing."""
        try:
            return self._port.read(max(1, self._port.in_waiting))
        except (OSError, serial.SerialException) as error:
            raise PipeError(f"the port failed: {_reason(error)}") from None

    def close(self):
        """Close the port."""
        self._port.close()


def _reason(error):
    """Return in a few words why a port failed; pyserial's own texts repeat the port's name."""
    return os.strerror(error.errno) if getattr(error, "errno", None) else str(error)
