"""Golden faces of the detector in scenes of FER-2013's faces: what libfacedetection itself finds. Numbers only, no pictures.

pip install numpy yuface==2023.5.1
python reference/yunet_scenes.py fer2013.csv.xz > crates/duchenne/tests/goldens/yunet_scenes.json

A scene is made of whole numbers alone, so that the test (inference/face_detection.rs) makes the same one: faces of the
csv's first rows, every pixel repeated, on gray; then turned by a quarter, darkened to an eighth, or cut by the edge.
"""

import json
import lzma
import sys

import numpy as np

from libfacedetection import faces

rows = []
with lzma.open(sys.argv[1], "rt") as file:
    next(file)
    for line in file:
        rows.append(np.array(line.split(",")[1].split(), np.uint8).reshape(48, 48))
        if len(rows) == 400:
            break

goldens = []
for index in range(24):
    width, height = [(320, 240), (640, 480), (961, 721)][index % 3]
    scene = np.full((height, width), 110, np.uint8)
    for place in range(4):
        factor = [1, 2, 3, 4, 6][(index + place) % 5]
        side = 48 * factor
        face = rows[(37 * index + 11 * place) % 400].repeat(factor, 0).repeat(factor, 1)
        # The last of every scene may reach over its right edge.
        x = (place * width) // 4 + (width // 8 if place == 3 else 0)
        y = (place % 2) * (height // 2)
        part = face[: height - y, : width - x]
        scene[y : y + part.shape[0], x : x + part.shape[1]] = part
    kind = ["plain", "dark", "turned"][(index // 3) % 3]
    if kind == "dark":
        scene = scene // 8
    if kind == "turned":
        scene = np.rot90(scene, -1)
    goldens.append({"kind": kind, "faces": faces(scene[:, :, None].repeat(3, 2))})
print(json.dumps(goldens))
