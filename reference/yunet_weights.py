"""Writes YuNet's weights, out of the PyPI wheel `yuface` 2023.5.1, as one safetensors file.

pip install numpy safetensors yuface==2023.5.1; python reference/yunet_weights.py crates/duchenne/assets/yunet/yunet.safetensors

The wheel's libfacedetection.so (BSD 3-clause) exports every weight and bias as a named symbol. Names here are those of
the training project, dots for its double underscores. Pointwise weights are [outputs, inputs, 1, 1], depthwise ones
[channels, 1, 3, 3]. The first layer is a 3x3 convolution over BGR pixels, 0 to 255, [16, 3, 3, 3].
"""

import ctypes
import os
import re
import subprocess
import sys

import numpy as np
import yuface
from safetensors.numpy import save_file

path = os.path.join(os.path.dirname(yuface.__file__), "libfacedetection.so")
library = ctypes.CDLL(path)
symbols = {}
for line in subprocess.check_output(["nm", "-D", "-S", path], text=True).splitlines():
    fields = line.split()
    if len(fields) == 4 and re.search(r"_(weight|bias)$", fields[3]):
        count = int(fields[1], 16) // 4
        symbols[fields[3]] = np.array((ctypes.c_float * count).in_dll(library, fields[3]), np.float32)

tensors = {}
for name, values in symbols.items():
    if name == "backbone__model0_pw_weight":
        # 27 of 32 are used: rows, columns, BGR of the window.
        values = values.reshape(16, 32)[:, :27].reshape(16, 3, 3, 3).transpose(0, 3, 1, 2)
    elif name.endswith("_pw_weight"):
        outputs = len(symbols[name.replace("weight", "bias")])
        values = values.reshape(outputs, -1, 1, 1)
    elif name.endswith("_dw_weight"):
        values = values.reshape(9, -1).T.reshape(-1, 1, 3, 3)
    # One name for a module and its number: backbone.model0.pw.weight.
    plain = re.sub(r"_(pw|dw)_(weight|bias)$", r".\1.\2", name).replace("__", ".")
    plain = re.sub(r"model(\d)_dp", r"model\1.dp", plain)
    tensors[plain] = np.ascontiguousarray(values)

print(len(tensors), "tensors,", sum(values.size for values in tensors.values()), "values")
save_file(
    tensors,
    sys.argv[1],
    {
        "origin": "libfacedetection (Shiqi Yu), by way of the PyPI wheel yuface 2023.5.1; BSD 3-clause",
        "network": "YuNet (Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, 2023), trained on WIDER FACE",
        "input": "BGR, 0 to 255",
    },
)
