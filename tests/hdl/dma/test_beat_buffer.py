# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.beat_buffer import BeatBuffer
from sim.streams import simulate


def signed(value):
    return value - (1 << 16) if value >> 15 else value


@pytest.mark.parametrize("data_width", [32, 64, 256])
@pytest.mark.parametrize("seed", range(3))
def test_samples_come_from_their_beats(data_width, seed):
    print(f"seed {seed}")
    rng, depth, lanes = Random(f"{data_width}{seed}"), 8, data_width // 16
    dut = BeatBuffer(data_width, depth)

    async def bench(ctx):
        present, waiting, wanted, cleared = None, [], None, 0
        for _ in range(2000):
            assert ctx.get(dut.level) == len(waiting)
            if wanted is not None:
                assert ctx.get(dut.sample) == wanted
            clear = rng.random() < 0.01
            write = not clear and len(waiting) < depth and rng.random() < 0.6
            advance = present is None or rng.random() < 0.5
            take = not clear and rng.random() < 0.8 and not (advance and not waiting)
            beat, lane = rng.getrandbits(data_width), rng.randrange(lanes)
            for name, value in (("clear", clear), ("write", write), ("beat", beat),
                                ("take", take), ("advance", advance), ("lane", lane)):
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            if take:
                present = waiting.pop(0) if advance else present
                wanted = signed(present >> 16 * lane & 0xFFFF)
            if write:
                waiting.append(beat)
            if clear:
                present, waiting, cleared = None, [], cleared + 1
        assert cleared > 5

    simulate(dut, bench)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^depth must be a power of two of at least 2, not 5$"):
        BeatBuffer(64, 5)
    with pytest.raises(ValueError, match="^data_width must be"):
        BeatBuffer(48, 8)
