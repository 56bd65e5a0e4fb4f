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

__all__ = ["ANSWER", "END", "ESCAPE", "FLIP", "MOST_WORDS", "Answer", "Operation"]

#: Bytes of the framing, and what an escaped byte is combined with.
END, ESCAPE, FLIP = 0x7E, 0x7D, 0x20

#: Bit of the operation that tells an answer from a request.
ANSWER = 0x80

#: Most words that one request reads or writes.
MOST_WORDS = 64


class Operation(enum.IntEnum):
    """What a request asks for; registers are those of `hdl.control.host_registers`."""

    READ_REGISTERS = 0
    WRITE_REGISTERS = 1
    READ_MEMORY = 2
    WRITE_MEMORY = 3


class Answer(enum.IntEnum):
    """How a request went."""

    DONE = 0
    #: Unknown operation, bad number of words, misaligned address, body too long or too short.
    MALFORMED = 1
    #: There is no such register, or memory refused the access or did not answer.
    REFUSED = 2
