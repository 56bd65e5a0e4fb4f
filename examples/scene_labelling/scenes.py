"""Synthetic outdoor scenes with a class for every pixel.

Sky, mountains, buildings, trees, grass, water, roads and things in front of them, drawn with NumPy
in plausible layouts. A scene depends on its number alone.
"""

from typing import NamedTuple

import numpy as np

from examples.scene_labelling import textures

CLASSES = ("sky", "tree", "road", "grass", "water", "building", "mountain", "foreground object")
SKY, TREE, ROAD, GRASS, WATER, BUILDING, MOUNTAIN, OBJECT = range(len(CLASSES))
HEIGHT, WIDTH = 240, 320


class _Place(NamedTuple):
    """How often a kind of place has each thing: shares, or the fewest and the most."""

    mountain: float
    skyline: float
    forest: float
    ground: tuple  # grass, water, road
    buildings: tuple
    trees: tuple
    objects: tuple
    path: float
    bushes: float


_PLACES = {
    "city": _Place(.1, .6, .15, (.12, .05, .83), (1, 5), (0, 3), (1, 6), .15, .1),
    "close": _Place(.2, .2, .4, (.6, .1, .3), (0, 2), (0, 3), (1, 3), .1, .15),
    "coast": _Place(.55, .2, .3, (.05, .9, .05), (0, 1), (0, 2), (0, 4), .1, .25),
    "country": _Place(.45, .1, .5, (.85, .05, .1), (0, 2), (0, 6), (0, 4), .5, .35),
    "mountains": _Place(1., .0, .4, (.5, .3, .2), (0, 1), (0, 5), (0, 2), .3, .3),
}


class _Scene:
    """A frame in the making: later things cover earlier ones."""

    def __init__(self, number):
        self.random = np.random.RandomState(number)
        self.noise = textures.Noise(self.random)
        rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
        self.rows, self.columns = rows, columns
        self.rgb = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        self.labels = np.full((HEIGHT, WIDTH), SKY, np.int8)
        self.horizon = self.random.uniform(60, 150)

    def paint(self, mask, colours, label, box=np.s_[:, :]):
        """Set colours and class where the mask says, within a box of the frame."""
        self.rgb[box] = np.where(mask[..., None], colours, self.rgb[box])
        self.labels[box] = np.where(mask, label, self.labels[box])

    def box(self, top, bottom, left, right):
        """Return the part of the frame between four edges, with its coordinates."""
        box = (slice(max(int(top), 0), max(int(bottom) + 1, 0)),
               slice(max(int(left), 0), max(int(right) + 1, 0)))
        return box, self.rows[box], self.columns[box]

    def chance(self, share):
        return self.random.rand() < share

    def profile(self, height, size, octaves=4):
        """Return the upper edge, a row for each column, of something on the horizon."""
        offset = self.random.uniform(0, 60)
        field = self.noise(np.float32(offset), self.columns[:1] / size, octaves)
        return self.horizon + 2 - height * np.clip(0.6 + 0.7 * field, 0, None)

    def afloat(self, base, centre):
        """Say whether what stands there stands in water."""
        row = min(max(int(base), 0), HEIGHT - 1)
        return self.labels[row, min(max(int(centre), 0), WIDTH - 1)] == WATER

    def above_horizon(self, edge):
        return (self.rows > edge) & (self.rows <= self.horizon + 2)


def _background(scene, place):
    random = scene.random
    colours, low_sky = textures.sky(random, scene.noise, scene.rows, scene.columns, scene.horizon)
    scene.paint(np.ones((HEIGHT, WIDTH), bool), colours, SKY)
    if scene.chance(place.mountain):
        height = random.uniform(15, 0.75 * scene.horizon)
        for part in (1, random.uniform(0.3, 0.6))[:random.randint(1, 3)]:
            ridge = scene.profile(height * part, random.uniform(50, 160))
            scene.paint(scene.above_horizon(ridge),
                        textures.mountain(random, scene.noise, scene.rows, scene.columns, ridge,
                                          low_sky), MOUNTAIN)
    if scene.chance(place.skyline):
        left = random.uniform(-60, 60)
        while left < WIDTH:
            width = random.uniform(15, 70)
            _building(scene, left, width, random.uniform(12, 60), scene.horizon + 2)
            left += width * random.uniform(0.9, 1.5)
    if scene.chance(place.forest):
        edge = scene.profile(random.uniform(6, 45), random.uniform(15, 60), 5)
        scene.paint(scene.above_horizon(edge),
                    textures.leaves(random, scene.noise, scene.rows, scene.columns,
                                    1 - (scene.rows - edge) / 20), TREE)
    return low_sky


def _ground(scene, place, low_sky):
    random = scene.random
    view = scene.noise, scene.rows, scene.columns, scene.horizon
    kind = random.choice([GRASS, WATER, ROAD], p=place.ground)
    below = scene.rows > scene.horizon
    colours = {GRASS: lambda: textures.grass(random, *view),
               WATER: lambda: textures.water(random, *view, low_sky),
               ROAD: lambda: textures.asphalt(random, *view)}
    scene.paint(below, colours[kind](), kind)
    depth = np.maximum(scene.rows - scene.horizon, 0)
    wander = 6 * scene.noise(depth / 15, np.float32(random.uniform(0, 60)))

    if kind == WATER and scene.chance(0.5):  # a shore, in front or at one side
        edge = scene.horizon + random.uniform(0.3, 0.9) * (HEIGHT - scene.horizon)
        slope = random.uniform(-0.5, 0.5)
        shore = scene.rows + slope * (scene.columns - WIDTH / 2) + wander > edge
        near = random.choice([GRASS, ROAD])
        scene.paint(shore & below, colours[near](), near)
    elif kind == GRASS and scene.chance(0.2):  # a pond
        middle = scene.horizon + random.uniform(0.2, 0.7) * (HEIGHT - scene.horizon)
        pond = (np.abs(scene.rows - middle) / random.uniform(8, 35)) ** 2 + (
            (scene.columns - random.uniform(0, WIDTH)) / random.uniform(40, 200)) ** 2
        scene.paint((pond + wander / 30 < 1) & below, colours[WATER](), WATER)
    elif kind == ROAD and scene.chance(0.4):  # lawns beside the road
        centre = random.uniform(60, 260) + random.uniform(-1, 1) * depth
        off = np.abs(scene.columns - centre) > random.uniform(0.7, 2.5) * depth + 5
        scene.paint(off & below, colours[GRASS](), GRASS)
    if kind != ROAD and scene.chance(place.path):
        _path(scene, colours[ROAD](), depth, wander)
    elif kind == ROAD:
        _markings(scene, depth, random.uniform(60, 260), random.uniform(-1, 1))


def _path(scene, colours, depth, wander):
    """Lay a road from the horizon to the camera."""
    random = scene.random
    start, lean, bend = random.uniform(0, WIDTH), random.uniform(-1.5, 1.5), random.uniform(-1, 1)
    centre = start + lean * depth + bend * depth * (1 - depth / 90) + wander
    half = random.uniform(0.2, 0.9) * depth
    inside = (np.abs(scene.columns - centre) < half) & (scene.labels != WATER)
    scene.paint(inside & (depth > 0), colours, ROAD)
    if scene.chance(0.5):
        _markings(scene, depth, start, lean)


def _markings(scene, depth, start, lean):
    centre = start + lean * depth
    line = (np.abs(scene.columns - centre) < 0.03 * depth) & (160 / (depth + 4) % 2 < 1.2)
    scene.paint(line & (scene.labels == ROAD), np.float32([.85, .83, .75]), ROAD)


def _building(scene, left, width, height, base):
    """Put up a building whose edges may recede, with or without a gabled roof."""
    random = scene.random
    box, rows, columns = scene.box(base - height * 1.6, base, left, left + width)
    if rows.size == 0:
        return
    along = (columns - left) / width
    shrink = 1 - random.uniform(0, 0.35) * (along if scene.chance(0.5) else 1 - along)
    if scene.chance(0.6):
        shrink = np.ones_like(along)
    top = base - height * shrink
    wall = textures.facade(random, scene.noise, (rows - top) / shrink, columns - left,
                           (height, width))
    wall = wall * (1 - random.uniform(-0.15, 0.25) * along)[..., None]
    scene.paint(rows > top, wall, BUILDING, box)
    if scene.chance(0.35):
        rise = min(width / 2, height / 2) * random.uniform(0.5, 1)
        roof = (rows <= top) & (rows > top - rise * (1 - np.abs(2 * along - 1)))
        tile = textures.pick(random, [(.5, .25, .18), (.3, .3, .33), (.4, .33, .28)])
        tiles = tile * (1 + 0.15 * scene.noise(rows / 1.5, columns / 4))[..., None]
        scene.paint(roof, tiles, BUILDING, box)


def _tree(scene, centre, base, height):
    """Plant a tree: a trunk, and a crown that is round or pointed."""
    random = scene.random
    pointed = scene.chance(0.25)
    radius = height * random.uniform(0.25, 0.45)
    box, rows, columns = scene.box(base - height, base, centre - 1.3 * radius,
                                   centre + 1.3 * radius)
    if rows.size == 0:
        return
    trunk = textures.pick(random, [(.3, .22, .15), (.4, .35, .3), (.2, .17, .15)])
    bark = trunk * (1 + 0.3 * scene.noise(rows / 8, columns / 1.5))[..., None]
    scene.paint(np.abs(columns - centre) < max(1, height * 0.04), bark, TREE, box)
    up = (base - rows) / height
    bumps = 0.35 * scene.noise(rows / radius * 3, columns / radius * 3, 3)
    if pointed:
        reach = np.abs(columns - centre) / radius - 1.1 * (1 - up) + bumps * 0.5
        crown = (reach < 0) & (up > 0.08)
    else:
        middle = random.uniform(0.55, 0.65)
        reach = np.hypot((columns - centre) / radius, (up - middle) / (1 - middle))
        crown = reach + bumps < 0.9
    side = random.choice([-1, 1])
    light = (up - 0.5) + 0.4 * side * (columns - centre) / radius
    scene.paint(crown, textures.leaves(random, scene.noise, rows, columns, light), TREE, box)


def _bushes(scene):
    """Grow bushes or tree tops into the frame from below, before everything else."""
    random = scene.random
    field = scene.noise(np.float32(random.uniform(0, 60)),
                        scene.columns[:1] / random.uniform(40, 120), 4)
    edge = HEIGHT - random.uniform(10, 70) * (0.5 + 1.5 * field)
    scene.paint(scene.rows > edge,
                textures.leaves(random, scene.noise, scene.rows, scene.columns,
                                0.5 - (scene.rows - edge) / 60), TREE)


def _thing(scene, centre, base, size):
    """Put something in front: each is a few ellipses or boxes, in any colour."""
    random = scene.random
    shapes = {  # (box or ellipse, middle across and up, half width and half height, part)
        "car": [("box", 0, .32, 1, .2, 0), ("box", random.uniform(-.2, .2), .62, .55, .18, 1),
                ("disc", -.6, .16, .2, .16, 2), ("disc", .6, .16, .2, .16, 2)],
        "person": [("disc", 0, .9, .1, .1, 2), ("box", 0, .6, .17, .22, 0),
                   ("box", -.08, .2, .07, .2, 1), ("box", .08, .2, .07, .2, 1)],
        "animal": [("disc", 0, .6, .8, .28, 0), ("disc", .8, .8, .22, .2, 0),
                   ("box", -.5, .2, .08, .25, 0), ("box", .5, .2, .08, .25, 0)],
        "boat": [("box", 0, .12, 1, .12, 0), ("box", -.1, .34, .4, .12, 1),
                 ("box", .1, .7, .03, .3, 2)],
        "sign": [("box", 0, .35, .05, .35, 2), ("box", 0, .8, .3, .2, 0)],
        "bloom": [("disc", .36 * ring * np.sin(turn), .5 + .36 * ring * np.cos(turn), .2, .2, part)
                  for ring, part in ((1, 0), (.55, random.randint(2)))
                  for turn in np.arange(random.uniform(0, 1), 6.28, random.uniform(.45, 1))]
                 + [("disc", 0, .5, .15, .15, 1)],
    }
    afloat = scene.afloat(base, centre)
    kind = "boat" if afloat else random.choice(sorted(set(shapes) - {"boat"}))
    paints = [textures.pick(random, [(.75, .15, .12), (.15, .2, .6), (.9, .9, .88), (.1, .1, .12),
                                     (.8, .7, .2), (.5, .5, .52), (.45, .3, .2), (.7, .5, .75),
                                     (.2, .45, .3)], 0.1) for _ in range(2)]
    paints.append(textures.pick(random, [(.1, .1, .1), (.75, .58, .47)]))
    box, rows, columns = scene.box(base - 1.2 * size, base, centre - 1.2 * size,
                                   centre + 1.2 * size)
    if rows.size == 0:
        return
    across, up = (columns - centre) / size * random.choice([-1, 1]), (base - rows) / size
    # The curved side away from the light is darker.
    shade = 1 + 0.3 * (up - 0.5) - 0.25 * across + 0.1 * scene.noise(rows / 5, columns / 5, 2)
    for shape, x, y, wide, high, part in shapes[kind]:
        along, above = np.abs(across - x) / wide, np.abs(up - y) / high
        inside = np.maximum(along, above) < 1 if shape == "box" else np.hypot(along, above) < 1
        scene.paint(inside, paints[part] * shade[..., None], OBJECT, box)


def _shadow(scene, centre, base, width):
    """Darken the ground under something that stands there."""
    dark = np.exp(-(((scene.columns - centre) / width) ** 2 + ((scene.rows - base) / 5) ** 2))
    scene.rgb *= (1 - 0.4 * dark * (scene.rows > scene.horizon))[..., None]


def _foreground(scene, place, close):
    random = scene.random
    room = HEIGHT - scene.horizon
    for _ in range(random.randint(place.buildings[0], place.buildings[1] + 1)):
        base = scene.horizon + random.uniform(0.02, 0.25) * room
        left, width = random.uniform(-60, WIDTH), random.uniform(35, 150)
        if not scene.afloat(base, left + width / 2):
            _building(scene, left, width, random.uniform(35, 170), base)
    stands = [(random.rand() ** 1.5, _tree) for _ in range(
        random.randint(place.trees[0], place.trees[1] + 1))]
    stands += [(random.rand(), _thing) for _ in range(
        random.randint(place.objects[0], place.objects[1] + 1))]
    # From far to near: what is nearer stands lower in the frame, is larger, and covers the rest.
    for near, draw in sorted(stands, key=lambda stand: stand[0]):
        base = scene.horizon + (0.05 + 0.9 * near) * room
        scale = (20 + 110 * near) * random.uniform(0.7, 1.4)
        centre = random.uniform(-10, WIDTH + 10)
        size = scale * (1.6 if draw is _tree else 1.1 if close else 0.5)
        if draw is _tree and scene.afloat(base, centre):
            continue
        _shadow(scene, centre, base, size / 2)
        if draw is _tree:
            _tree(scene, centre, base, size)
        else:
            _thing(scene, centre, base, size)
    if scene.chance(place.bushes):
        _bushes(scene)


def _light(scene):
    """Give the frame its exposure, colour cast, uneven light, softness and grain."""
    random = scene.random
    uneven = 1 + 0.15 * scene.noise(scene.rows / 90 + 31, scene.columns / 90 + 11)
    rgb = scene.rgb * (random.uniform(0.75, 1.15) * uneven)[..., None]
    rgb = np.clip(rgb * random.uniform(0.92, 1.08, 3), 0, 1) ** random.uniform(0.8, 1.25)
    soft = random.uniform(0.05, 0.25)
    for axis in (0, 1):
        rgb = (1 - 2 * soft) * rgb + soft * (np.roll(rgb, 1, axis) + np.roll(rgb, -1, axis))
    rgb += random.normal(0, random.uniform(0.005, 0.03), rgb.shape)
    return np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def make(number):
    """Draw a scene.

    Parameters
    ----------
    number : int
        Which one, 0 to 2^32 - 1: it seeds everything in the scene.

    Returns
    -------
    rgb : numpy.ndarray
        uint8, 240 x 320 x 3.
    labels : numpy.ndarray
        int8, 240 x 320, an index into :data:`CLASSES` for each pixel.
    """
    scene = _Scene(number)
    kind = scene.random.choice(list(_PLACES))
    if kind == "close":
        scene.horizon = scene.random.uniform(20, 90)
    place = _PLACES[kind]
    _ground(scene, place, _background(scene, place))
    _foreground(scene, place, kind == "close")
    return _light(scene), scene.labels
