import pytest

from hdl.link.protocol import ANSWER, END, ESCAPE, MOST_WORDS, Answer, Operation
from hdl.link.server import LinkServer
from tests.hdl.link.bench import BASE, WORDS, World, body, framed

READ, WRITE = Operation.READ_REGISTERS, Operation.WRITE_REGISTERS
LOAD, STORE = Operation.READ_MEMORY, Operation.WRITE_MEMORY


def check(*exchanges, **options):
    """Send each frame of (frame, [(answer, words), ...]) and compare what is answered."""
    world = World(LinkServer(64, **options))

    async def bench(ctx):
        for data, expected in exchanges:
            got = await world.exchange(ctx, data)
            assert [(answer, words) for _, _, answer, words in got] == expected

    world.run(bench)
    return world


def request(operation, sequence, address, words=(), count=None):
    return framed(body(operation, sequence, address, words, count))


def test_reads_and_writes():
    words = [END, ESCAPE, 0x7E7D7E7D, 0, 0xFFFFFFFF]
    world = check(
        (request(WRITE, 1, 8, words), [(Answer.DONE, [8])]),
        (request(READ, 2, 8, count=5), [(Answer.DONE, [8, *words])]),
        (request(STORE, 3, BASE + 4, words), [(Answer.DONE, [BASE + 4])]),
        (request(LOAD, 4, BASE, count=7), [(Answer.DONE, [BASE, 0, *words, 0])]),
        # What has been read is not kept: memory may change.
        (request(STORE, 5, BASE, [7]), [(Answer.DONE, [BASE])]),
        (request(LOAD, 6, BASE, count=2), [(Answer.DONE, [BASE, 7, END])]))
    assert world.registers[2:7] == world.memory[1:6] == words
    assert len(world.writes) == 11


@pytest.mark.parametrize("operation, address, words, count", [
    (4, 0, [], 1), (0xFF, 0, [], 1), (ANSWER, 0, [], 1),
    (READ, 0, [], 0), (READ, 0, [], MOST_WORDS + 1), (READ, 0, [], 0xFFFF),
    (READ, 2, [], 1), (LOAD, BASE + 1, [], 1), (READ, 0, [1], 1),
    (WRITE, 0, [1, 2], 1), (WRITE, 0, [1], 2), (STORE, BASE, [], 1), (WRITE, 0, [], 0),
    (STORE, BASE, [0] * (MOST_WORDS + 1), MOST_WORDS + 1),
    (STORE, BASE, [0] * (MOST_WORDS + 90), MOST_WORDS), (WRITE, 3, [1], 1)])
def test_malformed_requests_change_nothing(operation, address, words, count):
    world = check(
        (request(operation, 9, address, words, count), [(Answer.MALFORMED, [address])]),
        (request(READ, 10, 0, count=1), [(Answer.DONE, [0, 0])]))
    assert world.writes == []


def test_refused_accesses_end_the_request():
    world = check(
        (request(READ, 1, 4 * WORDS - 4, count=2), [(Answer.REFUSED, [4 * WORDS - 4])]),
        (request(WRITE, 2, 4 * WORDS - 4, [5, 6]), [(Answer.REFUSED, [4 * WORDS - 4])]),
        (request(READ, 3, 0x1000, count=1), [(Answer.REFUSED, [0x1000])]),
        (request(WRITE, 4, 0x1000, [1]), [(Answer.REFUSED, [0x1000])]),
        (request(LOAD, 5, 0x2000, count=1), [(Answer.REFUSED, [0x2000])]),
        (request(STORE, 6, 0x2000, [1]), [(Answer.REFUSED, [0x2000])]),
        # Addresses do not wrap.
        (request(LOAD, 7, 0xFFFFFFFC, count=2), [(Answer.REFUSED, [0xFFFFFFFC])]),
        (request(LOAD, 8, BASE, count=1), [(Answer.DONE, [BASE, 0])]))
    assert world.writes == [(False, WORDS - 1, 5)]


def test_largest_requests():
    words = list(range(100, 100 + MOST_WORDS))
    world = check(
        (request(STORE, 1, BASE, words), [(Answer.REFUSED, [BASE])]),
        (request(STORE, 2, BASE, words[:WORDS]), [(Answer.DONE, [BASE])]),
        (request(LOAD, 3, BASE, count=WORDS), [(Answer.DONE, [BASE, *words[:WORDS]])]))
    assert world.memory == words[:WORDS]


def test_a_repeated_write_is_answered_and_not_done_again():
    first = request(WRITE, 1, 0, [1])
    world = check(
        (first, [(Answer.DONE, [0])]), (first, [(Answer.DONE, [0])]),
        (request(WRITE, 2, 0, [1]), [(Answer.DONE, [0])]),
        (request(STORE, 3, 0x2000, [1]), [(Answer.REFUSED, [0x2000])]),
        (request(STORE, 3, 0x2000, [1]), [(Answer.REFUSED, [0x2000])]),
        (request(READ, 4, 0, count=1), [(Answer.DONE, [0, 1])]),
        (request(WRITE, 2, 0, [1]), [(Answer.DONE, [0])]))
    assert world.writes == [(False, 0, 1)] * 3


def test_memory_that_does_not_answer_is_told_and_does_not_hang_the_link():
    world = World(LinkServer(64, patience=100))

    async def bench(ctx):
        world.dead = True
        for sequence, operation, words in ((1, STORE, [1]), (2, LOAD, []), (3, STORE, [1, 2])):
            (answer,) = await world.exchange(
                ctx, request(operation, sequence, BASE, words, len(words) or 1), quiet=1000)
            assert answer == (operation | ANSWER, sequence, Answer.REFUSED, [BASE])
        (answer,) = await world.exchange(ctx, request(READ, 4, 0, count=1))
        assert answer == (READ | ANSWER, 4, Answer.DONE, [0, 0])

    world.run(bench)
