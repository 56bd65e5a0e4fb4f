"""Reaches a machine by the byte link (`hdl.link.protocol`), over anything that carries bytes."""

import struct
import time
from typing import Protocol

from hdl.link.protocol import (
    ANSWER,
    END,
    MOST_WORDS,
    Answer,
    Operation,
    framed,
    unframed,
)

from ..driver import DeviceError

__all__ = ["LinkError", "LinkTransport", "Pipe", "PipeError"]

#: Seconds between two looks at a register that is waited for, and of one wait.
_LOOK, _SLICE = 0.01, 0.2


class LinkError(DeviceError):
    """The link gave no usable answer; the message says to what."""


class PipeError(Exception):
    """The pipe broke; the message says how."""


class Pipe(Protocol):
    """Carries bytes both ways; raises `PipeError` when it cannot."""

    def send(self, data):
        """Send bytes."""

    def receive(self, seconds):
        """Return what has come, or comes within so many seconds or less; perhaps nothing."""

    def close(self):
        """End the connection."""


class LinkTransport:
    """Registers and memory behind a byte link; see `host.transports.Transport`.

    A request that is not answered in time is sent again, as it was: the machine does not carry out
    a write twice.

    Parameters
    ----------
    pipe : Pipe
        Closed with the transport.
    name : str
        What the link is called in errors.
    seconds : float
        Time for an answer.
    attempts : int
        How often a request is sent.
    """

    def __init__(self, pipe, name, *, seconds=1.0, attempts=4):
        self.pipe, self.name, self.seconds, self.attempts = pipe, name, seconds, attempts
        self._sequence, self._received = 0, bytearray()
        # A read: no write of this session can pass for a repetition of one of the last.
        self.read32(0)

    def read32(self, address):
        """Return a register's word."""
        return self._request(Operation.READ_REGISTERS, address, 1)[0]

    def write32(self, address, value):
        """Write a register's word."""
        self._request(Operation.WRITE_REGISTERS, address, 1, struct.pack("<I", value))

    def read_memory(self, address, length):
        """Return ``length`` bytes of the machine's memory."""
        begin, end = address & ~3, -(-(address + length) // 4) * 4
        data = b"".join(
            struct.pack(f"<{count}I", *self._request(Operation.READ_MEMORY, place, count))
            for place, count in _pieces(begin, end))
        return data[address - begin:address - begin + length]

    def write_memory(self, address, data):
        """Write bytes to the machine's memory."""
        begin, end = address & ~3, -(-(address + len(data)) // 4) * 4
        if (begin, end) != (address, address + len(data)):
            data = (self.read_memory(begin, address - begin) + bytes(data)
                    + self.read_memory(address + len(data), end - address - len(data)))
        for place, count in _pieces(begin, end):
            self._request(Operation.WRITE_MEMORY, place, count,
                          bytes(data[place - begin:place - begin + 4 * count]))

    def wait_while(self, address, value):
        """Wait while a register holds ``value``, about a fifth of a second at most.

        Returns
        -------
        bool
            Whether it holds another value.
        """
        end = time.monotonic() + _SLICE
        while self.read32(address) == value:
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK)
        return True

    def close(self):
        """End the connection."""
        self.pipe.close()

    def _request(self, operation, address, count, data=b""):
        """Carry out a request and return the words of its answer."""
        self._sequence = (self._sequence + 1) % 256
        frame = framed(struct.pack("<BBHI", operation, self._sequence, count, address) + data)
        expected = struct.pack("<BB", operation | ANSWER, self._sequence)
        what = (f"{self.name}: {operation.name.lower().replace('_', ' ')}, {count} words from "
                f"{address:#x} on")
        for _ in range(self.attempts):
            try:
                self.pipe.send(frame)
                body = self._answer(expected, address)
            except PipeError as error:
                raise LinkError(f"{what}: {error}") from None
            if body is not None:
                break
        else:
            raise LinkError(f"{what}: no answer to {self.attempts} requests within "
                            f"{self.seconds:g} s each; is the board there, at this speed?")
        answer, words = struct.unpack_from("<H", body, 2)[0], len(body) // 4 - 2
        wanted = count if answer == Answer.DONE and not data else 0
        if answer != Answer.DONE or words != wanted:
            how = {Answer.REFUSED: "refused", Answer.MALFORMED: "not understood"}.get(
                answer, f"answered with code {answer} and {words} words")
            raise LinkError(f"{what}: {how}")
        return struct.unpack_from(f"<{words}I", body, 8)

    def _answer(self, expected, address):
        """Return the body of the answer that begins as expected, None if none comes in time."""
        end = time.monotonic() + self.seconds
        while (left := end - time.monotonic()) > 0:
            part, mark, rest = bytes(self._received).partition(bytes([END]))
            if not mark:
                self._received += self.pipe.receive(left)
                continue
            self._received = bytearray(rest)
            body = unframed(part)
            if body and body[:2] == expected and body[4:8] == struct.pack("<I", address):
                return body
        return None


def _pieces(begin, end):
    """Return the requests that a range of addresses takes: (address, words)."""
    step = 4 * MOST_WORDS
    return [(place, min(step, end - place) // 4) for place in range(begin, end, step)]
