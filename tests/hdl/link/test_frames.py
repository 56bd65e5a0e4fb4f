from random import Random
from zlib import crc32

import pytest

from hdl.link.frames import FrameReader, FrameWriter
from hdl.link.protocol import END, ESCAPE
from sim.streams import holds_offer, receive, send, simulate
from tests.hdl.link.bench import framed

WORDS = [[0], [END, ESCAPE], [0x7E7E7E7E, 0x7D7D7D7D, 0x5E5D7E7D],
         *([Random(seed).getrandbits(32) for _ in range(seed)] for seed in range(1, 8))]


def bodies():
    for words in WORDS:
        data = b"".join(word.to_bytes(4, "little") for word in words)
        yield words, data + crc32(data).to_bytes(4, "little")


@pytest.mark.parametrize("stalls", [(0, 0), (0.5, 0), (0, 0.5), (0.3, 0.7)])
@pytest.mark.parametrize("shy", [False, True])
def test_writer(stalls, shy):
    dut = FrameWriter()
    expected = b"".join(framed(body) for _, body in bodies())

    async def source(ctx):
        for words, _ in bodies():
            await send(ctx, dut.i, [{"data": word, "last": index == len(words) - 1}
                                    for index, word in enumerate(words)],
                       rng=Random(2), stall=stalls[0])

    async def sink(ctx):
        got = await receive(ctx, dut.o, len(expected), rng=Random(3), stall=stalls[1], shy=shy)
        assert bytes(got) == expected

    simulate(dut, source, sink, checks=[holds_offer(dut.o)])


@pytest.mark.parametrize("stall", [0, 0.5])
def test_reader(stall):
    dut = FrameReader()
    rng = Random(4)
    bad = [b"", b"\x01", b"1234", bytes([ESCAPE]), b"12345678"]
    frames = []
    for words, body in bodies():
        junk = rng.choice(bad)
        if junk:
            frames.append((bytes([END]) + junk + bytes([END]), None))
        frames.append((framed(body), [*words, crc32(body[:-4])]))

    async def source(ctx):
        await send(ctx, dut.i, b"".join(frame for frame, _ in frames), rng=Random(2),
                   stall=stall)

    async def sink(ctx):
        for _, expected in frames:
            words, end = [], 0
            while not end:
                _, _, put, word, end, intact = await ctx.tick().sample(
                    dut.put, dut.word, dut.end, dut.intact)
                assert not (put and end)
                if put:
                    words.append(word)
            assert intact == (expected is not None)
            assert expected is None or words == expected

    simulate(dut, source, sink)
