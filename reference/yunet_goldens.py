"""Golden faces of the detector: what libfacedetection itself finds in parts of examples/faces.png, and in scikit-image's
astronaut.

pip install numpy opencv-python-headless scikit-image yuface==2023.5.1
python reference/yunet_goldens.py examples/faces.png > crates/duchenne/tests/goldens/yunet.json
python reference/yunet_goldens.py --astronaut astronaut.png > crates/duchenne/tests/goldens/yunet_astronaut.json

The second writes the photograph (of Eileen Collins, by NASA, in the public domain), which is kept out of the repository:
DUCHENNE_PICTURES=<its folder> adds the test on it. Numbers are at half its size, its own and twice, by whole pixels.
"""

import json
import sys

import cv2

from libfacedetection import faces

if sys.argv[1] == "--astronaut":
    from skimage import data

    picture = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(sys.argv[2], picture)
    sizes = [picture[::2, ::2].copy(), picture, picture.repeat(2, 0).repeat(2, 1)]
    print(json.dumps([faces(size) for size in sizes], indent=1))
    sys.exit()

picture = cv2.imread(sys.argv[1])
# Sizes that are multiples of 32, odd ones, and one smaller than a face.
parts = [[0, 0, 900, 680], [0, 0, 640, 480], [37, 21, 321, 333], [300, 340, 300, 340], [120, 130, 90, 61]]
print(json.dumps([{"part": part, "faces": faces(picture[part[1] : part[1] + part[3], part[0] : part[0] + part[2]])} for part in parts], indent=1))
