"""Golden faces of the detector: what libfacedetection itself finds in parts of examples/faces.png.

pip install numpy opencv-python-headless yuface==2023.5.1
python reference/yunet_goldens.py examples/faces.png > crates/duchenne/tests/goldens/yunet.json
"""

import json
import sys

import cv2

from libfacedetection import faces

picture = cv2.imread(sys.argv[1])
# Sizes that are multiples of 32, odd ones, and one smaller than a face.
parts = [[0, 0, 900, 680], [0, 0, 640, 480], [37, 21, 321, 333], [300, 340, 300, 340], [120, 130, 90, 61]]
print(json.dumps([{"part": part, "faces": faces(picture[part[1] : part[1] + part[3], part[0] : part[0] + part[2]])} for part in parts], indent=1))
