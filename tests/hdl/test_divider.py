from random import Random

from hdl.divider import Divider, SharedDivider
from sim.streams import simulate

EDGES = (-(1 << 31), -65537, -65536, -65535, -32769, -32768, -3, -2, -1, 0, 1, 2, 3, 32767, 32768,
         65535, 65536, (1 << 31) - 1)
DIVISORS = (0, 1, 2, 3, 255, 32767, 32768)


def check(pair, quotient, zero):
    """A quotient of 16 bits is right; of one that has more the top bits tell that, and its sign."""
    dividend, divisor = pair
    assert zero == (dividend == 0), pair
    if zero:
        return
    exact = dividend // divisor if divisor else dividend << 32
    if -(1 << 15) <= exact < 1 << 15:
        assert quotient == exact, pair
    else:
        assert (quotient < 0) == (exact < 0), pair
        assert not -(1 << 15) <= quotient < 1 << 15, pair


def operands():
    rng = Random(1)
    print("seed 1")
    pairs = [(dividend, divisor) for dividend in EDGES for divisor in DIVISORS]
    for divisor in (*DIVISORS, *(rng.randrange(1 << 15) for _ in range(100))):
        # Around the limits of 16 bits, and around multiples.
        for quotient in (-32769, -32768, 32767, 32768, rng.randrange(-(1 << 15), 1 << 15)):
            pairs += [(quotient * divisor + delta, divisor) for delta in (-1, 0, 1)]
    for _ in range(1500):
        wide, narrow = 1 << rng.randrange(1, 32), 1 << rng.randrange(1, 16)
        pairs.append((rng.randrange(-wide, wide), rng.randrange(narrow)))
    return [pair for pair in pairs if -(1 << 31) <= pair[0] < 1 << 31]


def test_rounds_down():
    pairs = operands()
    dut = Divider()

    async def bench(ctx):
        for number in range(len(pairs) + Divider.LATENCY):
            dividend, divisor = pairs[min(number, len(pairs) - 1)]
            ctx.set(dut.dividend, dividend)
            ctx.set(dut.divisor, divisor)
            _, _, quotient, zero = await ctx.tick().sample(dut.quotient, dut.zero)
            if number >= Divider.LATENCY:
                check(pairs[number - Divider.LATENCY], quotient, zero)

    simulate(dut, bench)


def test_two_users_have_every_other_cycle():
    dut = SharedDivider()
    users = [dut.users[0], dut.users[1]]

    async def bench(ctx):
        for divides, expected in (([1, 0], {(1, 1)}), ([0, 1], {(1, 1)}), ([0, 0], {(1, 1)}),
                                  ([1, 1], {(1, 0), (0, 1)})):
            for user, value in zip(users, divides, strict=True):
                ctx.set(user.divides, value)
            for _ in range(4):
                await ctx.tick()
            grants = []
            for _ in range(10):
                grants.append((await ctx.tick().sample(users[0].grant, users[1].grant))[2:])
            assert set(grants) == expected
            if sum(divides) == 2:
                assert all(one != next_one for one, next_one in zip(grants, grants[1:],
                                                                    strict=False))

    simulate(dut, bench)


def test_negative_takes_the_complement():
    dut = SharedDivider()

    async def bench(ctx):
        ctx.set(dut.users[0].divides, 1)
        ctx.set(dut.users[0].dividend, 100)
        ctx.set(dut.users[0].divisor, 7)
        ctx.set(dut.users[0].negative, 1)
        for _ in range(20):
            await ctx.tick()
        _, _, quotient = await ctx.tick().sample(dut.users[0].quotient)
        assert quotient == ~100 // 7

    simulate(dut, bench)
