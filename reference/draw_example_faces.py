"""Draws examples/faces.png: six invented people, each showing one expression.

No photograph, no real person and no generative model is behind these faces. Each is a height field (an
egg with a nose, eye sockets, cheeks, lips and a chin) lit by one soft lamp, painted with a few masks; an
expression is a handful of numbers (see EXPRESSIONS). Nothing is random: the same program draws the
same picture.

    python reference/draw_example_faces.py examples/faces.png      # needs numpy and Pillow
"""

import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image

PANEL_WIDTH, PANEL_HEIGHT = 300, 340
OVERSAMPLING = 3
HALF_FACE = 82.0  # half the width of a face in pixels of the final picture
AA = 0.02  # softness of painted edges, in half face widths


@dataclass(frozen=True)
class Person:
    """What stays the same when the expression changes. Colours are linear RGB, 0 to 1."""

    skin: tuple
    hair: tuple
    eyes: tuple
    shirt: tuple
    ground: tuple
    style: str  # "short", "long", "bun", "curly", "bald", "bob"
    width: float = 1.0
    jaw: float = 0.26
    brow: float = 1.0
    beard: float = 0.0
    lips: tuple = (0.42, 0.12, 0.11)


@dataclass(frozen=True)
class Expression:
    """Movements of the face, in half face widths; y points down, so a negative height lifts."""

    brow_inner: float = 0.0  # height of the inner ends of the brows
    brow_outer: float = 0.0
    brow_closer: float = 0.0  # how far the brows draw together
    lid_upper: float = 0.115  # how far the upper lids open
    lid_lower: float = 0.075
    lid_slant: float = 0.0  # inner eye corners up (sad) or down (angry)
    mouth_width: float = 0.34
    corners: float = 0.0  # height of the mouth's corners
    mouth_open: float = 0.0
    mouth_shape: float = 0.0  # 0: the lips part like a smile; 1: they form an O
    teeth: float = 0.0
    lip: float = 1.0  # thickness of the lips
    mouth_height: float = 0.66
    cheeks: float = 0.0
    folds: float = 0.0  # lines from the nose to the mouth's corners
    frown: float = 0.0  # upright lines between the brows
    forehead: float = 0.0  # lines across the forehead
    jaw_drop: float = 0.0
    nose_wrinkle: float = 0.0
    tilt: float = 0.0  # of the head, degrees


EXPRESSIONS = {
    "happy": Expression(
        brow_inner=-0.02, brow_outer=-0.02, lid_upper=0.085, lid_lower=0.035, mouth_width=0.47,
        corners=-0.17, mouth_open=0.17, teeth=1.0, lip=0.8, cheeks=1.0, folds=1.0, tilt=-3,
    ),
    "surprise": Expression(
        brow_inner=-0.17, brow_outer=-0.15, lid_upper=0.185, lid_lower=0.115, mouth_width=0.22,
        mouth_open=0.25, mouth_shape=1.0, mouth_height=0.72, jaw_drop=0.13, forehead=1.0, lip=0.85,
    ),
    "neutral": Expression(),
    "sad": Expression(
        brow_inner=-0.12, brow_outer=0.08, brow_closer=0.05, lid_upper=0.075, lid_lower=0.06,
        lid_slant=-0.05, mouth_width=0.31, corners=0.13, lip=1.0, mouth_height=0.67, folds=0.45, frown=0.45,
        tilt=4,
    ),
    "angry": Expression(
        brow_inner=0.14, brow_outer=-0.07, brow_closer=0.1, lid_upper=0.085, lid_lower=0.055,
        lid_slant=0.045, mouth_width=0.33, corners=0.07, mouth_open=0.08, teeth=0.9, lip=0.7, folds=0.7,
        frown=1.0, nose_wrinkle=0.6, cheeks=0.2,
    ),
    "fear": Expression(
        brow_inner=-0.18, brow_outer=-0.05, brow_closer=0.07, lid_upper=0.175, lid_lower=0.085,
        lid_slant=-0.02, mouth_width=0.4, corners=0.06, mouth_open=0.11, teeth=0.75, mouth_shape=0.3,
        lip=0.8, forehead=0.7, jaw_drop=0.04, folds=0.3,
    ),
}

PEOPLE = {
    "happy": Person(
        skin=(0.62, 0.36, 0.25), hair=(0.09, 0.035, 0.015), eyes=(0.10, 0.05, 0.02),
        shirt=(0.62, 0.16, 0.10), ground=(0.70, 0.58, 0.38), style="long",
    ),
    "surprise": Person(
        skin=(0.30, 0.14, 0.08), hair=(0.015, 0.012, 0.01), eyes=(0.04, 0.02, 0.01),
        shirt=(0.70, 0.50, 0.08), ground=(0.26, 0.48, 0.50), style="curly", lips=(0.24, 0.07, 0.06),
    ),
    "neutral": Person(
        skin=(0.55, 0.33, 0.23), hair=(0.02, 0.016, 0.014), eyes=(0.06, 0.03, 0.015),
        shirt=(0.10, 0.22, 0.32), ground=(0.52, 0.54, 0.56), style="bob", width=0.98,
    ),
    "sad": Person(
        skin=(0.66, 0.42, 0.32), hair=(0.28, 0.12, 0.04), eyes=(0.10, 0.18, 0.25),
        shirt=(0.20, 0.24, 0.42), ground=(0.34, 0.44, 0.58), style="bun", width=0.97,
    ),
    "angry": Person(
        skin=(0.58, 0.33, 0.23), hair=(0.035, 0.022, 0.015), eyes=(0.05, 0.04, 0.03),
        shirt=(0.06, 0.06, 0.07), ground=(0.56, 0.32, 0.28), style="short", width=1.04, jaw=0.16, brow=1.35,
        beard=0.55,
    ),
    "fear": Person(
        skin=(0.70, 0.46, 0.36), hair=(0.20, 0.15, 0.08), eyes=(0.12, 0.22, 0.16),
        shirt=(0.24, 0.36, 0.22), ground=(0.40, 0.36, 0.50), style="short", width=0.98, brow=0.9,
    ),
}

ORDER = ["happy", "surprise", "neutral", "sad", "angry", "fear"]


def step(x, low, high):
    """Smoothly 0 below `low`, 1 above `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bell(x, y, cx, cy, wx, wy):
    return np.exp(-(((x - cx) / wx) ** 2) - ((y - cy) / wy) ** 2)


def stroke(x, y, points, width):
    """How much ink a brush of this half width leaves that is drawn through the points."""
    best = np.full_like(x, 1e9)
    for (x0, y0, w0), (x1, y1, w1) in zip(points, points[1:]):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        distance = np.hypot(x - x0 - t * dx, y - y0 - t * dy) - width * (w0 + t * (w1 - w0))
        best = np.minimum(best, distance)
    return 1 - step(best, -AA, AA)


def blend(image, colour, mask):
    """Lays a colour (or an image) over `image`."""
    mask = mask[..., None]
    image[:] = image * (1 - mask) + np.asarray(colour) * mask


def face_height(x, y, e, person):
    """The height field of the face, towards the viewer."""
    ax = np.abs(x)
    jaw_y = y / (1 + e.jaw_drop * step(y, 0.2, 1.2))
    taper = 1 - person.jaw * step(jaw_y, 0.15, 1.3)
    inside = 1 - (x / (person.width * taper)) ** 2 - (jaw_y / 1.34) ** 2
    z = 0.95 * np.sqrt(np.clip(inside, 0, None))
    # brow ridge, sockets, eyeballs
    z += 0.05 * bell(ax, y, 0.33, -0.36, 0.30, 0.10)
    z -= 0.13 * bell(ax, y, 0.36, -0.17, 0.20, 0.13)
    z += 0.06 * bell(ax, y, 0.40, -0.16, 0.15, 0.11)
    # nose: bridge, tip, wings
    bridge = step(y, -0.42, 0.28) * (1 - step(y, 0.28, 0.40))
    z += 0.24 * bridge * np.exp(-((x / (0.095 + 0.05 * step(y, -0.2, 0.3))) ** 2))
    z += 0.14 * bell(x, y, 0, 0.25, 0.115, 0.10)
    z += 0.09 * bell(ax, y, 0.145, 0.29, 0.075, 0.07)
    # cheeks rise with a smile, the fold lies under them
    z += (0.05 + 0.085 * e.cheeks) * bell(ax, y, 0.52, 0.20 - 0.05 * e.cheeks, 0.22, 0.17)
    z -= 0.05 * e.folds * np.exp(-(((ax - (0.22 + 0.42 * (y - 0.28))) / 0.05) ** 2)) * step(y, 0.22, 0.34) * (
        1 - step(y, 0.60, 0.80)
    )
    # mouth: a mound, the lips on it
    my = e.mouth_height
    z += 0.10 * bell(x, y, 0, my, 0.36, 0.24)
    z += 0.045 * bell(x, y, 0, my - 0.09 - e.mouth_open * 0.5, e.mouth_width * 0.8, 0.055)
    z += 0.06 * bell(x, y, 0, my + 0.10 + e.mouth_open * 0.6, e.mouth_width * 0.7, 0.07)
    z -= 0.05 * bell(x, y, 0, my + 0.24 + e.mouth_open * 0.6, 0.22, 0.05)
    z += 0.10 * bell(x, y, 0, 1.08 + e.jaw_drop, 0.24, 0.15)
    z -= 0.025 * bell(x, y, 0, 0.47, 0.035, 0.08)
    # lines
    for line_y in (-0.60, -0.71, -0.82):
        z -= 0.013 * e.forehead * np.exp(-(((y - line_y - 0.06 * x * x) / 0.022) ** 2)) * (1 - step(ax, 0.35, 0.6))
    z -= 0.035 * e.frown * bell(ax, y, 0.055, -0.40, 0.022, 0.11)
    z -= 0.015 * e.nose_wrinkle * np.exp(-(((y + 0.18) / 0.02) ** 2)) * (1 - step(ax, 0.06, 0.13))
    return z, inside


def shade(z, pixel):
    """Soft light from the upper left, with a weak fill from the right: 0 to about 1.1."""
    dy, dx = np.gradient(z, pixel)
    normal = np.stack([-dx, -dy, np.ones_like(z)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = 0.0
    for direction, power in (((-0.30, -0.62, 0.72), 0.68), ((0.62, -0.15, 0.75), 0.22), ((0, 0.1, 1.0), 0.20)):
        direction = np.array(direction) / np.linalg.norm(direction)
        # Wrapped Lambert: skin scatters light past the terminator.
        light = light + power * np.clip((normal @ direction + 0.18) / 1.18, 0, None)
    return light


def draw_eyes(image, x, y, e, person, light):
    for side in (-1, 1):
        ex, ey = 0.385 * side * person.width, -0.165
        u = (x - ex) * side  # grows towards the temple
        v = y - ey + e.lid_slant * -u / 0.19
        half = 0.195
        arch = np.clip(1 - (u / half) ** 2, 0, None)
        upper = -e.lid_upper * arch**0.75
        lower = e.lid_lower * arch
        inside = np.minimum(v - upper, lower - v)
        opening = step(inside, -AA * 0.4, AA * 0.9) * (np.abs(u) < half)
        white = np.array([0.74, 0.72, 0.70]) * (0.55 + 0.45 * light[..., None])
        blend(image, white, opening)
        # the upper lid throws a shadow on the ball
        blend(image, (0.10, 0.07, 0.06), opening * 0.55 * (1 - step(v - upper, 0.0, 0.07)))
        distance = np.hypot(u, v + 0.005)
        blend(image, np.array(person.eyes) * 0.45, opening * (1 - step(distance, 0.098 - AA, 0.098)))
        blend(image, person.eyes, opening * (1 - step(distance, 0.082 - AA, 0.085)))
        blend(image, (0.004, 0.004, 0.004), opening * (1 - step(distance, 0.042 - AA, 0.045)))
        glint = np.hypot(x - ex + 0.03, y - ey + 0.035)
        blend(image, (0.95, 0.95, 0.95), opening * (1 - step(glint, 0.012, 0.022)))
        blend(image, (0.45, 0.16, 0.13), opening * 0.7 * bell(u, v, -half + 0.015, 0.0, 0.025, 0.03))
        # lashes, crease, lower lid
        spread = np.abs(u) < half + 0.03
        lash = np.exp(-(((v - upper + 0.004) / 0.018) ** 2)) * spread * step(arch, 0.0, 0.1)
        blend(image, (0.012, 0.008, 0.006), np.clip(lash * 0.95, 0, 1))
        crease = np.exp(-(((v - upper * 1.25 + 0.05) / 0.016) ** 2)) * step(arch, 0.05, 0.4)
        blend(image, np.array(person.skin) * 0.30, crease * 0.55)
        below = np.exp(-(((v - lower - 0.006) / 0.012) ** 2)) * step(arch, 0.0, 0.3)
        blend(image, np.array(person.skin) * 0.25, below * 0.55)
        bag = np.exp(-(((v - lower - 0.055 - 0.02 * e.cheeks) / 0.02) ** 2)) * step(arch, 0.1, 0.6)
        blend(image, np.array(person.skin) * 0.40, bag * (0.16 + 0.25 * e.cheeks))


def draw_brows(image, x, y, e, person):
    colour = np.array(person.hair) * 0.55
    for side in (-1, 1):
        inner = (0.165 - e.brow_closer * 0.8, -0.385 + e.brow_inner)
        middle = (0.38, -0.465 + 0.35 * e.brow_inner + 0.55 * e.brow_outer)
        outer = (0.615, -0.385 + e.brow_outer)
        points = []
        for t in np.linspace(0, 1, 15):
            px = (1 - t) ** 2 * inner[0] + 2 * t * (1 - t) * middle[0] + t * t * outer[0]
            py = (1 - t) ** 2 * inner[1] + 2 * t * (1 - t) * middle[1] + t * t * outer[1]
            points.append((px * side, py, 0.75 + 0.55 * t - 1.05 * t * t))
        ink = stroke(x, y, points, 0.047 * person.brow)
        hairs = 0.86 + 0.14 * np.sin(150 * x + side * 60 * y)
        blend(image, colour, ink * hairs * 0.93)


def draw_mouth(image, x, y, e, person, light):
    my, half = e.mouth_height, e.mouth_width
    t = np.clip(x / half, -1, 1)
    arch = np.clip(1 - t * t, 0, None)
    if e.mouth_shape >= 0.99:
        arch = np.sqrt(arch)
    line = my + e.corners * t * t - 0.35 * e.corners
    smile = 1 - e.mouth_shape
    top = line - e.mouth_open * arch * (0.32 * smile + 0.75 * (1 - smile))
    bottom = line + e.mouth_open * arch * (1.05 * smile + 1.0 * (1 - smile))
    within = np.abs(x) < half
    bow = 0.018 * np.exp(-((x / 0.05) ** 2))
    upper_edge = top - (0.075 * e.lip * (arch**0.8)) + bow
    lower_edge = bottom + 0.105 * e.lip * (arch**0.9)
    lips = step(np.minimum(y - upper_edge, lower_edge - y), -AA * 0.5, AA * 1.2) * within
    tone = np.array(person.lips)[None, None, :] * (0.40 + 0.85 * light[..., None])
    tone = tone * np.where(y < line, 0.72, 1.08)[..., None]
    blend(image, tone, lips * 0.9)
    shine = bell(x, y, -0.05, 0, 0.10, 10) * np.exp(-(((y - bottom - 0.045 * e.lip) / 0.022) ** 2))
    blend(image, (0.8, 0.6, 0.55), np.clip(shine * 0.22 * lips, 0, 1))
    if e.mouth_open > 0:
        hole = step(np.minimum(y - top, bottom - y), -AA * 0.4, AA * 0.8) * within
        blend(image, (0.035, 0.008, 0.008), hole)
        if e.mouth_shape > 0.9:
            blend(image, (0.30, 0.06, 0.06), hole * 0.8 * bell(x, y, 0, my + e.mouth_open * 0.95, 0.17, 0.10))
        depth = (bottom - top) * (0.62 if e.mouth_open > 0.1 else 1.0)
        row = step(np.minimum(y - top - 0.008, top + depth - y), 0, AA * 1.5) * hole
        gaps = 1 - 0.22 * np.exp(-(((np.abs((x / 0.082) % 1 - 0.5)) / 0.07) ** 2))
        ivory = np.array([0.80, 0.76, 0.68])[None, None, :] * (gaps * (1 - 0.55 * t**2))[..., None]
        blend(image, ivory, row * e.teeth)
    closed = np.exp(-(((y - line) / 0.020) ** 2)) * step(1 - np.abs(x) / (half * 1.06), 0, 0.12)
    if e.mouth_open == 0:
        blend(image, (0.05, 0.012, 0.01), closed * 0.92)
    for side in (-1, 1):
        corner = bell(x, y, side * half * 1.02, my + 0.65 * e.corners, 0.045, 0.04)
        blend(image, np.array(person.skin) * 0.22, np.clip(corner * 0.75, 0, 1))


def hair_mask(x, y, person):
    """What is hair behind the face, and what lies over the forehead."""
    ax = np.abs(x)
    style = person.style
    cap = 1 - step((x / 1.10) ** 2 + ((y + 0.20) / 1.34) ** 2, 0.97, 1.03)
    hairline = -0.86 + 0.34 * ax**2.2
    front = 1 - step(y, hairline - 0.03, hairline + 0.05)
    temples = step(ax, 0.80, 0.90) * (1 - step(y, -0.30, -0.05))
    back = cap * (1 - step(y, 0.0, 0.15))
    if style in ("long", "bob"):
        end = 1.75 if style == "long" else 0.95
        width = 1.17 if style == "bob" else 1.15 + 0.10 * step(y, 0.4, 1.6)
        fall = (1 - step(ax, width - 0.03, width + 0.03)) * step(y, -0.35, -0.15) * (1 - step(y, end - 0.06, end + 0.06))
        big = 1 - step((x / 1.17) ** 2 + ((y + 0.22) / 1.38) ** 2, 0.97, 1.03)
        back = np.maximum(np.maximum(cap, fall), big * (1 - step(y, 0, 0.1)))
        if style == "bob":
            hairline = -0.66 + 0.10 * ax
            front = 1 - step(y, hairline - 0.03, hairline + 0.04)
        else:
            hairline = -0.95 + 0.75 * np.abs(x + 0.22) ** 1.5
            front = 1 - step(y, hairline - 0.03, hairline + 0.05)
        temples = step(ax, 0.83, 0.92) * (1 - step(y, end - 0.1, end))
    elif style == "bun":
        bun = 1 - step(np.hypot(x / 1.1, y + 1.50), 0.31, 0.34)
        back = np.maximum(back, bun)
        hairline = -0.92 + 0.40 * ax**2
        front = 1 - step(y, hairline - 0.03, hairline + 0.05)
    elif style == "curly":
        angle = np.arctan2(y + 0.45, x)
        radius = np.hypot(x, y + 0.45)
        edge = 1.30 + 0.035 * np.sin(14 * angle) + 0.02 * np.sin(31 * angle + 1)
        back = (1 - step(radius, edge - 0.03, edge + 0.03)) * (1 - step(y, 0.10, 0.35))
        hairline = -0.88 + 0.30 * ax**2 + 0.015 * np.sin(38 * x)
        front = 1 - step(y, hairline - 0.03, hairline + 0.05)
    return back, np.maximum(front, temples)


def hair_tone(x, y, person):
    """Strands and a soft gleam."""
    if person.style == "curly":
        strands = 0.5 + 0.25 * np.sin(30 * x + 9 * np.sin(13 * y)) + 0.25 * np.sin(30 * y + 9 * np.sin(13 * x))
    else:
        angle = np.arctan2(x, 1.3 + 0.3 * y)
        strands = 0.5 + 0.3 * np.sin(70 * angle + 2 * np.sin(3 * y)) + 0.2 * np.sin(151 * angle)
    gleam = np.exp(-(((np.hypot(x + 0.25, (y + 0.15) * 0.9) - 0.98) / 0.13) ** 2)) * step(-y, 0.2, 0.9)
    tone = np.array(person.hair)[None, None, :] * (0.55 + 0.75 * strands[..., None])
    return tone + 0.16 * gleam[..., None] * (0.25 + np.array(person.hair))


def draw_panel(person, e):
    size = OVERSAMPLING
    height, width = PANEL_HEIGHT * size, PANEL_WIDTH * size
    pixel = 1 / (HALF_FACE * size)
    py, px = np.mgrid[0:height, 0:width].astype(np.float64)
    x0 = (px + 0.5 - width / 2) * pixel
    y0 = (py + 0.5 - height * 0.475) * pixel
    angle = np.deg2rad(e.tilt)
    # the head turns about the chin; the body does not
    yc = y0 - 1.2
    x = np.cos(angle) * x0 + np.sin(angle) * yc
    y = -np.sin(angle) * x0 + np.cos(angle) * yc + 1.2

    # a studio wall with a pool of light
    pool = np.exp(-((x0 + 0.5) ** 2 + (y0 + 0.7) ** 2) / 5.0)
    image = np.array(person.ground)[None, None, :] * (0.50 + 0.60 * pool[..., None])

    back, front = hair_mask(x, y, person)
    tone = hair_tone(x, y, person)
    blend(image, tone * 0.75, back)

    # shoulders, neck
    shoulder = 1.62 + 0.42 * (np.abs(x0) / 1.5) ** 2.2
    body = step(y0, shoulder - 0.015, shoulder + 0.015) * (1 - step(np.abs(x0), 1.58, 1.66))
    cloth = 0.62 + 0.38 * np.exp(-((x0 + 0.6) ** 2)) - 0.25 * step(np.abs(x0), 0.8, 1.6)
    neck = (1 - step(np.abs(x0) - 0.10 * step(y0, 1.3, 1.8), 0.44, 0.49)) * step(y0, 0.6, 0.8)
    neck *= 1 - step(y0 - 0.30 * np.clip(1 - (x0 / 0.55) ** 2, 0, None), 1.60, 1.63)
    round_neck = 0.34 + 0.50 * np.sqrt(np.clip(1 - (x0 / 0.62) ** 2, 0, 1)) * (0.75 - 0.35 * x0)
    throat = np.array(person.skin)[None, None, :] * (round_neck * (0.45 + 0.55 * step(y0, 1.25, 1.75)))[..., None]
    collar = np.array(person.shirt)[None, None, :] * cloth[..., None]
    blend(image, collar, body)
    blend(image, throat, neck)
    if person.style == "long":
        side = (step(np.abs(x), 0.62, 0.74)) * (1 - step(np.abs(x), 1.17, 1.24)) * step(y, 0.4, 0.9)
        blend(image, tone * 0.8, side * (1 - step(y, 1.68, 1.76)))

    # ears
    for side in (-1, 1):
        if person.style in ("long", "bob"):
            break
        ear = 1 - step(((x - side * person.width * 0.99) / 0.13) ** 2 + ((y - 0.02) / 0.25) ** 2, 0.9, 1.08)
        inner = bell(x, y, side * person.width * 1.03, 0.0, 0.05, 0.13)
        glow = np.array(person.skin) * np.array([0.72, 0.62, 0.58])
        blend(image, glow[None, None, :] * (1 - 0.5 * inner)[..., None], ear)

    # the face
    z, inside = face_height(x, y, e, person)
    light = shade(z, pixel)
    face = step(inside, 0.0, 0.035)
    flush = 0.06 + 0.10 * e.cheeks
    skin = np.array(person.skin)[None, None, :] * np.ones_like(x)[..., None]
    rosy = np.clip(bell(np.abs(x), y, 0.52, 0.22, 0.26, 0.2) + 0.7 * bell(x, y, 0, 0.27, 0.14, 0.1), 0, 1)
    skin = skin * (1 - rosy[..., None] * flush * np.array([0.0, 1.6, 1.4]))
    lit = skin * (0.13 + 0.98 * light[..., None])
    # shadows that a height field does not throw by itself: sockets, beside and under the nose, the lip
    dark = 0.26 * bell(np.abs(x), y, 0.30, -0.21, 0.17, 0.11)
    dark += 0.34 * bell(x, y, 0, 0.385, 0.15, 0.035)
    dark += 0.22 * bell(x, y, 0.15, 0.18, 0.05, 0.17) + 0.10 * bell(x, y, -0.15, 0.20, 0.04, 0.14)
    dark += 0.20 * bell(x, y, 0, e.mouth_height + 0.23 + e.mouth_open, 0.20, 0.04)
    dark += 0.30 * step(1 - inside, 0.72, 1.02)
    dark += 0.22 * bell(x, y, 0, -0.92, 0.9, 0.16)
    lit *= (1 - np.clip(dark, 0, 0.8))[..., None]
    gloss = 0.05 * bell(x, y, -0.03, 0.20, 0.05, 0.07) + 0.035 * bell(x, y, -0.25, -0.68, 0.3, 0.14)
    gloss += 0.045 * (1 + e.cheeks) * bell(x, y, -0.50, 0.10, 0.13, 0.09)
    lit += gloss[..., None]
    blend(image, lit, face)
    if person.beard:
        jaw = face * step(y + 0.22 * np.abs(x), 0.55, 0.92) + face * 0.8 * step(np.abs(x), 0.62, 0.92) * step(y, -0.05, 0.55)
        moustache = bell(np.abs(x), y, 0.13, 0.51, 0.17, 0.06)
        lip_free = 1 - bell(x, y, 0, e.mouth_height + 0.02, 0.36, 0.12)
        stubble = np.clip(np.clip(jaw, 0, 1) * lip_free + moustache, 0, 1)
        blend(image, np.array(person.hair) * (0.7 + 0.6 * light[..., None]), stubble * person.beard)
    for side in (-1, 1):
        nostril = bell(x, y, side * 0.082, 0.345, 0.042, 0.022)
        blend(image, np.array(person.skin) * 0.06, np.clip(nostril * 1.15, 0, 0.92))
        wing = np.exp(-(((np.hypot((x - side * 0.15), (y - 0.29) * 1.05) - 0.085) / 0.016) ** 2))
        wing *= step(side * x, 0.16, 0.22) * (1 - step(np.abs(y - 0.30), 0.06, 0.10))
        blend(image, np.array(person.skin) * 0.28, wing * 0.6)
        fold_x = 0.22 + 0.42 * (y - 0.28) + 0.06 * e.cheeks * step(y, 0.3, 0.6)
        fold = np.exp(-(((side * x - fold_x) / 0.02) ** 2)) * step(y, 0.26, 0.36) * (1 - step(y, 0.58, 0.74))
        blend(image, np.array(person.skin) * 0.30, fold * 0.5 * e.folds)
        line = bell(x, y, side * (0.06 - 0.2 * e.brow_closer + 0.02), -0.40, 0.016, 0.10)
        blend(image, np.array(person.skin) * 0.25, line * 0.55 * e.frown)

    draw_eyes(image, x, y, e, person, light)
    draw_brows(image, x, y, e, person)
    draw_mouth(image, x, y, e, person, light)

    # the hair over the forehead lies on top
    over = front * np.maximum(face, back)
    blend(image, tone * (0.45 + 0.65 * np.clip(light, 0, 1))[..., None], over)
    return image


def to_srgb(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def main():
    rows = []
    for names in (ORDER[:3], ORDER[3:]):
        panels = [draw_panel(PEOPLE[name], EXPRESSIONS[name]) for name in names]
        rows.append(np.concatenate(panels, axis=1))
    linear = np.concatenate(rows, axis=0)
    # Averaged in linear light, as a lens does.
    height, width = linear.shape[0] // OVERSAMPLING, linear.shape[1] // OVERSAMPLING
    linear = linear.reshape(height, OVERSAMPLING, width, OVERSAMPLING, 3).mean(axis=(1, 3))
    Image.fromarray((to_srgb(linear) * 255 + 0.5).astype(np.uint8)).save(sys.argv[1], optimize=True)


if __name__ == "__main__":
    main()
