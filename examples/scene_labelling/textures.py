"""Materials of the synthetic scenes: what sky, water, leaves and walls look like.

Each function returns colours for arrays of coordinates. Hue alone names no class: skies, roads,
walls and water may all be grey or blue, and trees, grass and mountains all green. What tells them
apart is texture, shape and place, as in photographs.
"""

import numpy as np


class Noise:
    """Smooth random field over the plane, values about -1 to 1, period 64.

    Parameters
    ----------
    random : numpy.random.RandomState
        Where the field comes from.
    """

    SIZE = 64

    def __init__(self, random):
        self._table = random.uniform(-1, 1, self.SIZE**2).astype(np.float32)

    def __call__(self, down, across, octaves=1):
        """Return the field at points given by two arrays, finer detail added octave by octave."""
        total, weight = 0, 1.0
        for _ in range(octaves):
            total = total + weight * self._sample(down, across)
            down, across, weight = down * 2 + 17.3, across * 2 + 5.7, weight / 2
        return total

    def _sample(self, down, across):
        row, column = np.floor(down), np.floor(across)
        down, across = down - row, across - column
        # Hermite weights: no creases along the lattice.
        down, across = down * down * (3 - 2 * down), across * across * (3 - 2 * across)
        row, column = row.astype(np.int32), column.astype(np.int32)
        top, bottom = row % self.SIZE * self.SIZE, (row + 1) % self.SIZE * self.SIZE
        left, right = column % self.SIZE, (column + 1) % self.SIZE
        upper = self._table[top + left] * (1 - across) + self._table[top + right] * across
        lower = self._table[bottom + left] * (1 - across) + self._table[bottom + right] * across
        return upper * (1 - down) + lower * down


def pick(random, colours, spread=0.06):
    """Return one of the colours, varied.

    Parameters
    ----------
    random : numpy.random.RandomState
        Where the choice comes from.
    colours : sequence
        RGB triples, 0 to 1.
    spread : float
        Largest change of all channels together; each one alone changes by half as much.

    Returns
    -------
    numpy.ndarray
        RGB, float32.
    """
    colour = np.asarray(colours[random.randint(len(colours))], np.float32)
    change = random.uniform(-spread, spread) + random.uniform(-spread, spread, 3) / 2
    return (colour + change).astype(np.float32)


def blend(one, other, share):
    """Return colours between two, ``share`` (an array, 0 to 1) of the other."""
    share = np.clip(share, 0, 1)[..., None]
    return one * (1 - share) + other * share


def sky(random, noise, rows, columns, horizon):
    """Return a sky that pales towards the horizon, with or without clouds."""
    zenith = pick(random, [(.25, .45, .8), (.4, .6, .9), (.65, .67, .7), (.85, .87, .9),
                           (.3, .35, .5), (.55, .45, .5)])
    low = blend(zenith, pick(random, [(.85, .9, .95), (.9, .85, .75), (.75, .75, .75)]),
                np.float32(random.uniform(0.2, 0.9)))
    colours = blend(zenith, low, (rows / horizon) ** random.uniform(0.7, 2))
    if random.rand() < 0.7:
        size = random.uniform(25, 70)
        field = noise(rows / size * random.uniform(1.5, 4), columns / size, octaves=4)
        cover = (field - random.uniform(-0.3, 0.6)) * random.uniform(0.8, 3)
        cloud = pick(random, [(.95, .95, .95), (.8, .8, .82), (.6, .6, .65)])
        shaded = cloud * (1 - 0.12 * np.clip(field, 0, 1))[..., None]
        colours = blend(colours, shaded, cover * random.uniform(0.5, 1))
    return colours, low


def mountain(random, noise, rows, columns, ridge, haze):
    """Return slopes below a ridge (one row a column), greyed by the air before them."""
    rock = pick(random, [(.3, .35, .3), (.25, .4, .25), (.45, .4, .35), (.35, .4, .5),
                         (.5, .42, .32)])
    size = random.uniform(8, 25)
    # Ravines run down the slope: the field is stretched along it.
    depth = rows - ridge
    field = noise(depth / size / 2, (columns + depth * random.uniform(-0.6, 0.6)) / size, 4)
    colours = rock * (1 + random.uniform(0.2, 0.5) * field)[..., None]
    if random.rand() < 0.3:
        colours = blend(colours, np.float32([.92, .93, .96]),
                        (random.uniform(8, 25) - depth + 14 * field) / 4)
    return blend(colours, haze, np.full(rows.shape, random.uniform(0, 0.6), np.float32))


def _ground(rows, columns, horizon, centre):
    """Return distance and sideways position of the points of a plane seen at a slant."""
    far = 60 / (np.maximum(rows - horizon, 0) + 3)
    return far * 12, (columns - centre) * far / 6


def grass(random, noise, rows, columns, horizon):
    """Return a meadow: blades that shrink with distance, and patches of other shades."""
    down, across = _ground(rows, columns, horizon, random.uniform(0, 320))
    green = pick(random, [(.3, .5, .15), (.4, .55, .2), (.25, .4, .15), (.55, .52, .25),
                          (.45, .5, .3)])
    blades = noise(down * random.uniform(1, 2), across * random.uniform(1.5, 3), 3)
    patches = noise(down / 6, across / 8, 2)
    colours = green * (1 + random.uniform(0.12, 0.3) * blades + 0.2 * patches)[..., None]
    return blend(colours, pick(random, [(.6, .55, .3), (.35, .5, .2)]), patches - 0.4)


def water(random, noise, rows, columns, horizon, low_sky):
    """Return water that mirrors the sky's colour in ripples wider than they are high."""
    down, across = _ground(rows, columns, horizon, random.uniform(0, 320))
    deep = pick(random, [(.15, .3, .4), (.2, .35, .5), (.25, .35, .3), (.35, .4, .42)])
    colours = blend(deep, low_sky, np.clip(0.75 - (rows - horizon) / 150, 0.1, 1)
                    * random.uniform(0.4, 1))
    ripples = noise(down * random.uniform(1, 2.5), across * random.uniform(0.15, 0.4), 3)
    colours = colours * (1 + random.uniform(0.04, 0.35) * ripples)[..., None]
    return blend(colours, np.float32([1, 1, 1]),
                 (ripples - random.uniform(0.7, 1.5)) * random.uniform(0, 2))


def asphalt(random, noise, rows, columns, horizon):
    """Return paving: fine grain, faint stains."""
    down, across = _ground(rows, columns, horizon, random.uniform(0, 320))
    stone = pick(random, [(.35, .35, .37), (.5, .5, .5), (.62, .6, .57), (.55, .48, .4),
                          (.25, .25, .28)])
    grain = noise(down * 4, across * 4, 2)
    stains = noise(down / 8, across / 4, 2)
    return stone * (1 + 0.07 * grain + 0.1 * stains)[..., None]


def leaves(random, noise, rows, columns, light):
    """Return foliage: tufts and clumps with dark gaps; ``light`` is 1 where the sun is."""
    leaf = pick(random, [(.2, .35, .12), (.28, .45, .15), (.15, .25, .12), (.4, .45, .15),
                         (.5, .35, .15), (.3, .35, .3)])
    size, down, across = random.uniform(2.5, 7), *random.uniform(0, 64, 2)
    tufts = noise(rows / size + down, columns / size + across, 3)
    clumps = noise(rows / size / 4 + across, columns / size / 5 + down, 2)
    return leaf * np.clip(0.85 + 0.45 * tufts + 0.3 * clumps + 0.35 * light, 0.15, None)[..., None]


def facade(random, noise, down, across, size):
    """Return a wall with rows of windows.

    ``down`` and ``across`` measure pixels along the wall from its upper left corner, ``size`` is
    its rows and columns.
    """
    wall = pick(random, [(.7, .65, .58), (.55, .3, .22), (.6, .6, .62), (.85, .83, .78),
                         (.4, .42, .47), (.75, .6, .4), (.45, .55, .65), (.35, .3, .27)])
    colours = wall * (1 + 0.06 * noise(down / 2, across / 3, 2))[..., None]
    storey, bay = random.uniform(9, 22), random.uniform(7, 20)
    row, column = down % storey / storey, across % bay / bay
    high, wide = random.uniform(0.4, 0.75), random.uniform(0.35, 0.8)
    if random.rand() < 0.2:
        wide = 1.1  # bands of glass
    window = ((np.abs(row - 0.5) < high / 2) & (np.abs(column - 0.5) < wide / 2)
              & (down > 3) & (down < size[0] - random.uniform(3, 14)))
    glass = pick(random, [(.12, .14, .18), (.25, .3, .35), (.45, .55, .65), (.8, .75, .5)])
    pane = noise(np.floor(down / storey) * 7.1, np.floor(across / bay) * 3.7)
    panes = glass * (1 + 0.35 * pane)[..., None]
    sill = (np.abs(row - 0.5 - high / 2) < 0.06) & (np.abs(column - 0.5) < wide / 2)
    colours = np.where(window[..., None], panes, colours)
    return np.where(sill[..., None], colours * 1.25, colours)
