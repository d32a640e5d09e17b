"""Golden faces of the detector: what libfacedetection itself finds in parts of examples/faces.png.

pip install numpy opencv-python-headless yuface==2023.5.1
python reference/yunet_goldens.py examples/faces.png > crates/duchenne/tests/goldens/yunet.json

The wheel's own function gives scores in hundredths; the library's C++ function below it gives all digits. Boxes and
landmarks are cut to whole pixels there.
"""

import ctypes
import json
import os
import sys

import cv2
import numpy as np
import yuface

library = ctypes.CDLL(os.path.join(os.path.dirname(yuface.__file__), "libfacedetection.so"))


class Face(ctypes.Structure):
    _fields_ = [("score", ctypes.c_float), ("box", ctypes.c_int * 4), ("landmarks", ctypes.c_int * 10)]


class Vector(ctypes.Structure):
    _fields_ = [("begin", ctypes.c_void_p), ("end", ctypes.c_void_p), ("capacity", ctypes.c_void_p)]


# std::vector<FaceRect> objectdetect_cnn(unsigned char *bgr, int width, int height, int step)
detect = library._Z16objectdetect_cnnPhiii
detect.restype = None
detect.argtypes = [ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int] * 3
library._Z15init_parametersv()


def faces(bgr):
    bgr = np.ascontiguousarray(bgr)
    height, width, _ = bgr.shape
    found = Vector()
    detect(ctypes.byref(found), bgr.ctypes.data, width, height, 3 * width)
    count = ((found.end or 0) - (found.begin or 0)) // ctypes.sizeof(Face)
    rows = (Face * count).from_address(found.begin) if count else []
    rows = sorted(rows, key=lambda face: -face.score)
    return [{"score": face.score, "box": list(face.box), "landmarks": list(face.landmarks)} for face in rows]


picture = cv2.imread(sys.argv[1])
# Sizes that are multiples of 32, odd ones, and one smaller than a face.
parts = [[0, 0, 900, 680], [0, 0, 640, 480], [37, 21, 321, 333], [300, 340, 300, 340], [120, 130, 90, 61]]
print(json.dumps([{"part": part, "faces": faces(picture[part[1] : part[1] + part[3], part[0] : part[0] + part[2]])} for part in parts], indent=1))
