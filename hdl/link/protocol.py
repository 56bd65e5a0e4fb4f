"""The byte link's protocol: what gateware and driver both know.

A frame is a body of little-endian 32-bit words between END bytes. The last word of a body is the
CRC-32 (IEEE 802.3, as `zlib.crc32`) of the bytes before it. Within a body END and ESCAPE are sent
as ESCAPE and the byte with bit 5 inverted; so an END always ends a frame, whatever came before it.

A request is a header word, a byte address (a multiple of 4), for writes the words to write, and
the CRC. An answer is a header word, the same address, for reads that succeeded the words read, and
the CRC. Every intact request is answered once; what is not intact is not answered.

Header of a request: operation (bits 0-7), sequence number (8-15), number of words (16-31). Header
of an answer: operation with bit 7 set, sequence number, `Answer` (16-31).

A write whose sequence number, CRC and all are those of the request before it is a repetition: it
is answered as before and not carried out again.
"""

import enum
import struct
import zlib

__all__ = ["ANSWER", "ANSWER_TEXTS", "END", "ESCAPE", "FLIP", "MOST_WORDS", "OPERATION_TEXTS",
           "Answer", "Operation", "framed", "unframed"]

#: Bytes of the framing, and what an escaped byte is combined with.
END, ESCAPE, FLIP = 0x7E, 0x7D, 0x20

#: Bit of the operation that tells an answer from a request.
ANSWER = 0x80

#: Most words that one request reads or writes.
MOST_WORDS = 64


class Operation(enum.IntEnum):
    """What a request asks for."""

    READ_REGISTERS = 0
    WRITE_REGISTERS = 1
    READ_MEMORY = 2
    WRITE_MEMORY = 3


class Answer(enum.IntEnum):
    """How a request went."""

    DONE = 0
    MALFORMED = 1
    REFUSED = 2


#: What each operation does; registers are those of `hdl.control.host_registers`.
OPERATION_TEXTS = {
    Operation.READ_REGISTERS: "read registers of the host",
    Operation.WRITE_REGISTERS: "write registers of the host",
    Operation.READ_MEMORY: "read the machine's memory",
    Operation.WRITE_MEMORY: "write the machine's memory",
}

#: What each answer means.
ANSWER_TEXTS = {
    Answer.DONE: "done; a read has its words",
    Answer.MALFORMED: "nothing was done: unknown operation, bad number of words, misaligned "
                      "address, body too long or too short",
    Answer.REFUSED: "there is no such register, or memory refused the access or did not answer; "
                    "what comes before it in the request is done",
}


def framed(body):
    """Return a body with its CRC as a frame."""
    body = body + struct.pack("<I", zlib.crc32(body))
    escaped = body.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPE ^ FLIP]))
    escaped = escaped.replace(bytes([END]), bytes([ESCAPE, END ^ FLIP]))
    return bytes([END]) + escaped + bytes([END])


def unframed(part):
    """Return the body, without CRC, of what stood between two END bytes; None if it is damaged."""
    pieces = part.split(bytes([ESCAPE]))
    if any(not piece for piece in pieces[1:]):
        return None
    body = pieces[0] + b"".join(bytes([piece[0] ^ FLIP]) + piece[1:] for piece in pieces[1:])
    if len(body) < 12 or len(body) % 4 or zlib.crc32(body[:-4]) != int.from_bytes(
            body[-4:], "little"):
        return None
    return body[:-4]
