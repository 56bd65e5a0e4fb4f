from random import Random
from struct import pack

import pytest

from hdl.link.protocol import ANSWER, END, Answer, framed, unframed
from host.transports.link import LinkError, LinkTransport


class Board:
    """A pipe to a board in Python; ``fault`` may damage what goes either way."""

    def __init__(self, fault=None):
        self.memory, self.registers = bytearray(4096), [0] * 16
        self.fault = fault or (lambda data: data)
        self.received, self.answers, self.last = bytearray(), bytearray(), None
        self.writes = 0

    def send(self, data):
        self.received += self.fault(data)
        *parts, rest = bytes(self.received).split(bytes([END]))
        self.received = bytearray(rest)
        for part in filter(None, map(unframed, parts)):
            self.answers += self.fault(self.serve(part))

    def serve(self, body):
        operation, sequence, count = body[0], body[1], body[2] | body[3] << 8
        address = int.from_bytes(body[4:8], "little")
        answer, data = Answer.DONE, b""
        space = self.memory if operation & 2 else bytearray(
            b"".join(pack("<I", word) for word in self.registers))
        if address + 4 * count > len(space):
            answer = Answer.REFUSED
        elif operation & 1:
            if body != self.last:
                self.writes += 1
                space[address:address + 4 * count] = body[8:]
        else:
            data = bytes(space[address:address + 4 * count])
        self.last = body if operation & 1 else None
        if not operation & 2:
            self.registers = [int.from_bytes(space[k:k + 4], "little") for k in range(0, 64, 4)]
        return framed(pack("<BBH", operation | ANSWER, sequence, answer) + body[4:8] + data)

    def receive(self, seconds):
        data, self.answers = bytes(self.answers), bytearray()
        return data

    def close(self):
        self.closed = True


def test_registers_and_memory():
    board = Board()
    link = LinkTransport(board, "board")
    link.write32(8, 0x7E7D7E7D)
    assert link.read32(8) == 0x7E7D7E7D == board.registers[2]
    rng = Random(1)
    held = bytearray(4096)
    for _ in range(50):
        address, length = rng.randrange(3000), rng.randrange(1000)
        data = rng.randbytes(length)
        link.write_memory(address, data)
        held[address:address + length] = data
        assert link.read_memory(address, length) == data
    assert board.memory == held
    assert link.wait_while(8, 1) and not link.wait_while(8, 0x7E7D7E7D)
    link.close()
    assert board.closed


def test_faults_are_mended_and_no_write_is_done_twice():
    print("seed 2")
    rng = Random(2)

    def fault(data):
        if rng.random() < 0.7:
            return data
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(damaged[:rng.randint(1, len(data))])

    board = Board(fault)
    link = LinkTransport(board, "board", seconds=0.002, attempts=50)
    for number in range(1000):
        link.write_memory(4 * (number % 1024), pack("<I", number))
        assert link.read_memory(4 * (number % 1024), 4) == pack("<I", number)
    assert board.writes == 1000


@pytest.mark.parametrize("fault, says", [
    (lambda data: b"", "read registers, 1 words from 0x0 on: no answer to 2 requests"),
    (lambda data: bytes(len(data)), "no answer"), (lambda data: data[:-3] + data[-1:], "no answer"),
])
def test_a_dead_link_says_what_was_asked(fault, says):
    with pytest.raises(LinkError, match=f"here: .*{says}"):
        LinkTransport(Board(fault), "here", seconds=0.01, attempts=2)


def test_refused():
    link = LinkTransport(Board(), "here")
    with pytest.raises(LinkError, match="here: write memory, 1 words from 0x1000 on: refused"):
        link.write_memory(4096, bytes(4))
