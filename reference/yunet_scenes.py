"""Golden faces of the detector in scenes of FER-2013's and CK+'s faces: what libfacedetection itself finds. Numbers only,
no pictures.

pip install numpy safetensors yuface==2023.5.1
duchenne data import ckplus CK+48.zip --out ck.safetensors
python reference/yunet_scenes.py fer2013.csv.xz ck.safetensors > crates/duchenne/tests/goldens/yunet_scenes.json

A scene is made of whole numbers alone, so that the test (inference/face_detection.rs) makes the same one: faces of the
csv's first rows, from the 25th scene on of CK+ and FER-2013 in turn, every pixel repeated, on gray; then turned by a
quarter, darkened to an eighth, or tilted by the angle of a Pythagorean triangle (23, 37 or 67 degrees) with the nearest
pixel; the last face of every scene may be cut by the edge.
"""

import json
import lzma
import sys

import numpy as np

from safetensors.numpy import load_file

from libfacedetection import faces

rows = []
with lzma.open(sys.argv[1], "rt") as file:
    next(file)
    for line in file:
        rows.append(np.array(line.split(",")[1].split(), np.uint8).reshape(48, 48))
        if len(rows) == 400:
            break

ck = load_file(sys.argv[2])["images"]


def tilted(scene: np.ndarray, cosine: int, sine: int, whole: int) -> np.ndarray:
    """Turned about its middle; gray where nothing was."""
    height, width = scene.shape
    y, x = np.mgrid[:height, :width]
    across, along = x - width // 2, y - height // 2
    column = (across * cosine + along * sine) // whole + width // 2
    row = (along * cosine - across * sine) // whole + height // 2
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(inside, scene[row.clip(0, height - 1), column.clip(0, width - 1)], 110).astype(np.uint8)


TRIANGLES = [(12, 5, 13), (4, 3, 5), (5, 12, 13)]

goldens = []
for index in range(48):
    width, height = [(320, 240), (640, 480), (961, 721)][index % 3]
    scene = np.full((height, width), 110, np.uint8)
    for place in range(4):
        factor = [1, 2, 3, 4, 6][(index + place) % 5]
        side = 48 * factor
        source = ck if index >= 24 and index % 2 == 0 else rows
        face = source[(37 * index + 11 * place) % 400].repeat(factor, 0).repeat(factor, 1)
        # The last of every scene may reach over its right edge.
        x = (place * width) // 4 + (width // 8 if place == 3 else 0)
        y = (place % 2) * (height // 2)
        part = face[: height - y, : width - x]
        scene[y : y + part.shape[0], x : x + part.shape[1]] = part
    kind = "tilted" if index >= 30 else ["plain", "dark", "turned"][(index // 3) % 3]
    if kind == "dark":
        scene = scene // 8
    if kind == "turned":
        scene = np.rot90(scene, -1)
    if kind == "tilted":
        scene = tilted(scene, *TRIANGLES[(index // 3) % 3])
    goldens.append({"kind": kind, "faces": faces(scene[:, :, None].repeat(3, 2))})
print(json.dumps(goldens))
