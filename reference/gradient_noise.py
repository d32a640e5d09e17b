"""How far PyTorch's own single-precision gradients of ResNet-50 are from double precision, layer by layer: what
rounding alone does, and so the measure for the fused kernels (crates/duchenne/tests/it/models.rs).

Set-up: as torchvision_goldens.py.
Use:    .venv/bin/python reference/gradient_noise.py
Gave (torch 2.11.0), relative distance |g32 - g64| / |g64|: 1.7e-2 in the worst layer, 9.6e-3 in the median one.
"""

import contextlib
import importlib.util
import io
import pathlib

import numpy as np
import torch
import torch.nn as nn

path = pathlib.Path(__file__).with_name("torchvision_goldens.py")
spec = importlib.util.spec_from_file_location("goldens", path)
goldens = importlib.util.module_from_spec(spec)
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    spec.loader.exec_module(goldens)


def gradients(dtype, batch=4, side=64):
    model = goldens.resnet(50).to(dtype)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(goldens.value(name, tuple(tensor.shape)))
    images = (goldens.hashed("images", batch * side * side) * 2).astype(np.float32).reshape(batch, 1, side, side)
    labels = torch.arange(batch) % goldens.CLASSES
    nn.functional.cross_entropy(model.train()(torch.from_numpy(images).to(dtype)), labels).backward()
    return {name: parameter.grad.double() for name, parameter in model.named_parameters()}


single, double = gradients(torch.float32), gradients(torch.float64)
distances = {name: float((single[name] - double[name]).norm() / double[name].norm()) for name in double}
for name, distance in sorted(distances.items(), key=lambda item: -item[1])[:10]:
    print(f"{distance:.2e} {name}")
print(f"{np.median(list(distances.values())):.2e} median")
