"""Import and export against torchvision itself: random weights saved as .pth and as .safetensors give the same
log-probabilities here, and what `model export` writes loads with strict=True.

Set-up: python3 -m venv .venv && .venv/bin/pip install torch==2.11.0 torchvision safetensors pillow numpy
Use:    .venv/bin/python reference/check_import.py target/release/duchenne
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

PROGRAM = sys.argv[1]
NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def log_probabilities(model_file, picture):
    line = json.loads(run("predict", "--whole", "--no-mirror", "--json", "--model", model_file, picture))
    return np.log([line["faces"][0]["probabilities"][name] for name in NAMES])


def check(architecture, side, folder):
    torch.manual_seed(1)
    model = getattr(torchvision.models, architecture)(num_classes=7).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    gray = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    picture = folder / "noise.png"
    Image.fromarray(gray).save(picture)
    image = torch.from_numpy((gray.astype(np.float32) / 255 - 0.45) / 0.22).expand(1, 3, side, side)
    with torch.no_grad():
        expected = torch.log_softmax(model(image), 1)[0].numpy()
    torch.save(model.state_dict(), folder / "weights.pth")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "weights.safetensors")
    for source in ("weights.pth", "weights.safetensors"):
        for channels in (3, 1):
            out = folder / "model.safetensors"
            run("model", "import", folder / source, "--arch", architecture, "--labels", "fer2013", "--input", side,
                "--channels", channels, "--mean", "0.45", "--std", "0.22", "--out", out)
            difference = np.abs(log_probabilities(out, picture) - expected).max() / np.abs(expected).max()
            print(f"{architecture} {source} {channels} channel(s): relative difference {difference:.1e}")
            assert difference < 1e-4
            if channels == 3:
                run("model", "export", out, "--out", folder / "back.safetensors")
                model.load_state_dict(load_file(folder / "back.safetensors"), strict=True)
                with torch.no_grad():
                    assert np.abs(torch.log_softmax(model(image), 1)[0].numpy() - expected).max() < 1e-5
                print(f"{architecture}: export loads with strict=True")


with tempfile.TemporaryDirectory() as name:
    for case in (("resnet50", 64), ("vgg16", 224), ("resnet18", 48)):
        check(*case, Path(name))
