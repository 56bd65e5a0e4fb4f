"""Frames with faults, to the compiled link server: what it writes, and whether it recovers."""

import struct
import zlib
from random import Random

import pytest

from hdl.link.protocol import ANSWER, END, ESCAPE, FLIP, MOST_WORDS, Answer, Operation
from host.transports.link import LinkTransport
from tests.hdl.link.bench import answers, body, framed
from tests.hdl.link.compiled import BASE, REGISTERS, WORDS, CompiledServer

pytestmark = pytest.mark.rtl


def intact(data):
    """Return the bodies, with their CRC, of the intact frames in a stream of bytes."""
    found = []
    for part in bytes(data).split(bytes([END])):
        whole, flip, dangling = bytearray(), 0, False
        for byte in part:
            dangling = byte == ESCAPE and not flip
            if dangling:
                flip = FLIP
            else:
                whole.append(byte ^ flip)
                flip = 0
        if len(whole) >= 12 and len(whole) % 4 == 0 and not dangling and zlib.crc32(
                whole[:-4]) == struct.unpack("<I", whole[-4:])[0]:
            found.append(bytes(whole))
    return found


class Model:
    """What a server must answer and write."""

    def __init__(self):
        self.registers, self.memory = [0] * REGISTERS, [0] * WORDS
        self.last = None  # the last write, with its answer

    def serve(self, request):
        """Return the answer to a request, (operation, sequence, answer, words), and its writes."""
        operation, sequence, count, address = struct.unpack_from("<BBHI", request)
        words = list(struct.unpack(f"<{len(request) // 4 - 3}I", request[8:-4]))
        writes, memory = operation & 1, operation & 2
        how, given, done = Answer.DONE, [], []
        if (operation > max(Operation) or not 1 <= count <= MOST_WORDS or address % 4
                or len(words) != (count if writes else 0)):
            return (operation | ANSWER, sequence, Answer.MALFORMED, [address]), []
        if writes and self.last and self.last[0] == request:
            return self.last[1], []
        space, base = (self.memory, BASE) if memory else (self.registers, 0)
        for place in range(count):
            index = (address - base) // 4 + place
            inside = 0 <= index < len(space)
            if not inside:
                how = Answer.REFUSED
                # Memory's answers come late: its writes are posted.
                if not (memory and writes):
                    break
            elif writes:
                space[index] = words[place]
                done.append((address + 4 * place, words[place]))
            else:
                given.append(space[index])
        answer = (operation | ANSWER, sequence, how,
                  [address, *(given if how == Answer.DONE else [])])
        self.last = (request, answer) if writes else None
        return answer, done


def random_request(rng, sequence):
    """Return the body of a request; some are refused or malformed."""
    operation = rng.choice(list(Operation))
    count = rng.choice((1, 1, 2, 3, 5, 8, MOST_WORDS))
    memory = operation & 2
    base, size = (BASE, WORDS) if memory else (0, REGISTERS)
    address = base + 4 * rng.randrange(size - count)
    if rng.random() < 0.03:
        address = rng.choice((base + 4 * (size - 1), base + 4 * size, address + 2))
    if rng.random() < 0.02:
        count, operation = rng.choice(((0, operation), (MOST_WORDS + 1, operation), (count, 77)))
    # Words that need escapes are more frequent than by chance.
    words = [rng.choice((rng.getrandbits(32), 0x7E7D7E7D, 0x5E5D7D5E, 0)) for _ in range(count)]
    return body(operation, sequence, address, words if operation & 1 else (), count)


def cut(rng, frame):
    """What is missing is at least the closing END and a byte."""
    return frame[:rng.randint(1, len(frame) - 2)]


def flipped(rng, frame):
    data = bytearray(frame)
    for _ in range(rng.randint(1, 3)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def replaced(rng, frame):
    data = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.choice((END, ESCAPE, rng.randrange(256)))
    return bytes(data)


def dropped(rng, frame):
    begin = rng.randrange(1, len(frame) - 1)
    return frame[:begin] + frame[begin + rng.randint(1, 6):]


def inserted(rng, frame):
    place = rng.randrange(1, len(frame))
    return frame[:place] + rng.randbytes(rng.randint(1, 6)) + frame[place:]


def repeated_part(rng, frame):
    begin = rng.randrange(1, len(frame) - 1)
    end = rng.randint(begin + 1, len(frame) - 1)
    return frame[:end] + frame[begin:]


def interleaved(rng, frame, other):
    one, two, mixed = list(frame), list(other), bytearray()
    while one and two:
        mixed.append((one if rng.random() < 0.5 else two).pop(0))
    return bytes(mixed) + bytes(one) + bytes(two)


def noise(rng, frame):
    return rng.randbytes(rng.randint(1, 40))


FAULTS = (cut, flipped, replaced, dropped, inserted, repeated_part, noise)


class Trial:
    """A server beside its model."""

    def __init__(self, server):
        self.server, self.model = server, Model()
        self.served = 0

    def send(self, data, requests, perhaps=()):
        """Send bytes; just these requests must be carried out and answered, ``perhaps`` others."""
        got = answers(self.server.exchange(data))
        if len(got) > len(requests):
            requests = [*requests, *perhaps]
        expected = [self.model.serve(request) for request in requests]
        assert got == [answer for answer, _ in expected], data.hex()
        assert self.server.writes() == [write for _, done in expected for write in done], data.hex()
        self.served += len(requests)


@pytest.mark.parametrize("seed, count", [
    (1, 5000), pytest.param(2, 100_000, marks=pytest.mark.slow)])
def test_memory_is_never_written_wrongly_and_the_next_frame_is_understood(seed, count):
    print(f"seed {seed}")
    rng = Random(seed)
    seen = dict.fromkeys([*FAULTS, interleaved, "twice", "again"], 0)
    with CompiledServer(seed) as server:
        trial = Trial(server)
        for _ in range(count):
            request, other = (random_request(rng, rng.randrange(256)) for _ in range(2))
            frame = framed(request)
            kind = rng.choice(list(seen))
            seen[kind] += 1
            if kind == "twice":
                # What comes of the second while the first is served is dropped.
                trial.send(frame + frame, [request], [request])
            elif kind == "again":
                trial.send(frame, [request])
                trial.send(frame, [request])
            else:
                bad = (kind(rng, frame, framed(other)) if kind is interleaved
                       else kind(rng, frame))
                left = intact(bad)
                if left:
                    # The fault has spared the frame: it is a good one.
                    trial.send(bad, left[:1])
                else:
                    trial.send(bad + framed(other), [other])
        assert server.registers.tolist() == trial.model.registers
        assert server.memory.tolist() == trial.model.memory
    assert min(seen.values()) > count / 20 and trial.served > 0.9 * count


class FaultyPipe:
    """A pipe to the compiled server that damages what goes either way."""

    def __init__(self, server, rng, share):
        self.server, self.rng, self.share = server, rng, share
        self.arrived, self.faults = b"", 0

    def _carried(self, data):
        if self.rng.random() >= self.share:
            return data
        self.faults += 1
        return self.rng.choice(FAULTS)(self.rng, data)

    def send(self, data):
        answer = self.server.exchange(self._carried(data))
        self.arrived += self._carried(answer) if len(answer) > 2 else answer

    def receive(self, seconds):
        data, self.arrived = self.arrived, b""
        return data

    def close(self):
        """Nothing is held open."""


@pytest.mark.parametrize("seed, count", [
    (3, 1000), pytest.param(4, 50_000, marks=pytest.mark.slow)])
def test_driver_and_server_get_everything_across_a_bad_line_once(seed, count):
    print(f"seed {seed}")
    rng = Random(seed)
    with CompiledServer(seed) as server:
        pipe = FaultyPipe(server, rng, 0.25)
        link = LinkTransport(pipe, "line", seconds=0.001, attempts=60)
        held, written = bytearray(4 * WORDS), []
        server.writes()
        for _ in range(count):
            length = 4 * rng.randint(1, 80)
            address = 4 * rng.randrange(WORDS - length // 4)
            if rng.random() < 0.5:
                data = rng.randbytes(length)
                link.write_memory(BASE + address, data)
                held[address:address + length] = data
                written += [(BASE + address + place, word) for place, word in zip(
                    range(0, length, 4), struct.unpack(f"<{length // 4}I", data), strict=True)]
            else:
                found = link.read_memory(BASE + address, length)
                assert found == held[address:address + length]
        assert server.writes() == written
        assert server.memory.tobytes() == bytes(held)
    assert pipe.faults > count / 4
