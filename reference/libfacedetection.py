"""libfacedetection itself, out of the PyPI wheel `yuface` 2023.5.1: what the golden faces are made by.

The wheel's own function gives scores in hundredths; the C++ function below it gives all digits. Boxes and landmarks are
cut to whole pixels there.
"""

import ctypes
import os

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
    """The faces of a picture [height, width, 3], blue first, the surest first."""
    bgr = np.ascontiguousarray(bgr)
    height, width, _ = bgr.shape
    found = Vector()
    detect(ctypes.byref(found), bgr.ctypes.data, width, height, 3 * width)
    count = ((found.end or 0) - (found.begin or 0)) // ctypes.sizeof(Face)
    rows = (Face * count).from_address(found.begin) if count else []
    rows = sorted(rows, key=lambda face: -face.score)
    return [{"score": face.score, "box": list(face.box), "landmarks": list(face.landmarks)} for face in rows]
