"""Golden numbers of torchvision's networks, in double precision, for crates/duchenne/tests/it/models.rs.

Set-up: python3 -m venv .venv && .venv/bin/pip install torch==2.11.0 torchvision numpy
Use:    .venv/bin/python reference/torchvision_goldens.py > crates/duchenne/tests/goldens/torchvision.json

Weights and images come from a hash of their names, which the Rust test computes too, so that no weights need
to be stored; gradients and statistics are stored as their norm and their projection on a hashed vector.
"""

import json
import sys

import numpy as np
import torch
import torch.nn as nn
import torchvision

from hashed_values import fingerprint, hashed, value

CLASSES = 7


def resnet(depth, small=False):
    model = getattr(torchvision.models, f"resnet{depth}")(num_classes=CLASSES)
    model.conv1 = nn.Conv2d(1, 64, 3, 1, 1, bias=False) if small else nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    if small:
        model.maxpool = nn.Identity()
    return model


def vgg(name):
    model = getattr(torchvision.models, name)(num_classes=CLASSES, dropout=0.0)
    model.features[0] = nn.Conv2d(1, 64, 3, padding=1)
    model.avgpool = nn.AdaptiveAvgPool2d(1)
    model.classifier[0] = nn.Linear(512, 4096)
    return model


def case(architecture, stem, model, batch, side):
    model = model.double()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(value(name, tuple(tensor.shape)))
    images = torch.from_numpy((hashed("images", batch * side * side) * 2).astype(np.float32).reshape(batch, 1, side, side))
    images = images.double()
    labels = torch.arange(batch) % CLASSES
    model.eval()
    with torch.no_grad():
        evaluated = model(images)
    model.train()
    logits = model(images)
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    print(architecture, float(loss), file=sys.stderr)
    return {
        "architecture": architecture, "stem": stem, "batch": batch, "side": side,
        "evaluated": evaluated.reshape(-1).tolist(), "logits": logits.detach().reshape(-1).tolist(),
        "loss": float(loss),
        "gradients": [fingerprint(name, parameter.grad) for name, parameter in model.named_parameters()],
        "statistics": [fingerprint(name, buffer) for name, buffer in model.named_buffers()
                       if not name.endswith("num_batches_tracked")],
    }


json.dump({
    "made_by": f"torch {torch.__version__}, torchvision {torchvision.__version__}",
    "cases": [
        case("resnet18", "paper", resnet(18), 3, 48),
        case("resnet34", "small", resnet(34, small=True), 2, 16),
        case("resnet50", "paper", resnet(50), 4, 64),
        case("vgg11", "paper", vgg("vgg11"), 1, 48),
        case("vgg13_bn", "paper", vgg("vgg13_bn"), 3, 64),
        case("vgg16", "paper", vgg("vgg16"), 2, 48),
    ],
}, sys.stdout)
