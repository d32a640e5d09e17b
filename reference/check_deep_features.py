"""Deep features of VGG-13/16/19 at 224 pixels against torchvision's, and the whole ImageNet path with random stand-ins
for ImageNet's weights: fine-tuning by the recipe `df-svm`, features, machine, with time and peak memory.

Set-up: python3 -m venv .venv && .venv/bin/pip install torch==2.11.0 torchvision safetensors pillow numpy
Use:    .venv/bin/python reference/check_deep_features.py target/release/duchenne [PACKED_FER2013 IMAGES]

With a packed FER-2013 the second part takes its first IMAGES Training images (and all of PublicTest); without, noise.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file

PROGRAM = sys.argv[1]
CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
NETWORKS = ["vgg13", "vgg16", "vgg19"]
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def run(*arguments):
    begun = time.time()
    subprocess.run([PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return time.time() - begun


def noise(folder, per_class):
    """A packed set of noise at 224 pixels, so that nothing is resized, and its Training pictures in order."""
    random = np.random.default_rng(0)
    for split in ("train", "validation"):
        for name in CLASSES:
            place = folder / "pictures" / split / name
            place.mkdir(parents=True)
            for index in range(per_class):
                coarse = random.integers(0, 256, (14, 14), dtype=np.uint8)
                Image.fromarray(coarse).resize((224, 224), Image.BICUBIC).save(place / f"{index:03}.png")
    packed = folder / "noise.safetensors"
    run("data", "import", "folder", folder / "pictures", "--size", 224, "--labels", "fer2013", "--out", packed)
    tensors = load_file(packed)
    return packed, tensors["images"][tensors["split"] == 0]


def torch_features(model, images):
    """Activations of the last hidden layer after ReLU, without dropout."""
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    rows = []
    with torch.no_grad():
        for batch in images.split(16):
            inputs = (batch.float().unsqueeze(1).expand(-1, 3, -1, -1) / 255 - mean) / deviation
            flat = torch.flatten(model.avgpool(model.features(inputs)), 1)
            rows.append(model.classifier[:6](flat))
    return torch.cat(rows)


def relative(ours, expected):
    return ((ours - expected).abs().max() / expected.abs().max()).item()


def kept_features(run_folder):
    files = sorted((run_folder / "features").glob("*-training-*"), key=lambda path: path.stat().st_mtime)
    return [load_file(path)["features"] for path in files]


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    packed, images = noise(folder, 4)
    weights = folder / "weights"
    weights.mkdir()
    for architecture in NETWORKS:
        torch.manual_seed(1)
        model = getattr(torchvision.models, architecture)(num_classes=7).eval()
        torch.save(model.state_dict(), weights / f"{architecture}-random.pth")
        imported = folder / "model.safetensors"
        channels = ",".join(map(str, MEAN)), ",".join(map(str, DEVIATION))
        run("model", "import", weights / f"{architecture}-random.pth", "--arch", architecture, "--labels", "fer2013",
            "--input", 224, "--channels", 3, "--mean", channels[0], "--std", channels[1], "--out", imported)
        machine = folder / f"svm-{architecture}"
        run("svm", "fit", "--network", imported, "--data", packed, "--run", machine)
        difference = relative(kept_features(machine)[0], torch_features(model, images))
        print(f"{architecture}: features of the .pth file differ by {difference:.1e} relative")
        assert difference < 1e-4
        # ImageNet's own has 1000 classes: the last layer is drawn anew.
        torch.save(getattr(torchvision.models, architecture)().state_dict(), weights / f"{architecture}-random.pth")

    data, count = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 3 else (packed, len(images))
    machine = folder / "df-svm"
    seconds = run("svm", "fit", "--recipe", "df-svm", "--imagenet", weights, "--data", data, "--limit", count,
                  "--epochs", 1, "--run", machine)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    public = int((load_file(data)["split"] == 1).sum())
    print(f"df-svm, one epoch of each network on {count} images, features of {count} and of {public} of PublicTest: "
          f"{seconds:.0f} s, {seconds / (count + public) * 1000:.0f} ms an image, peak {peak:.2f} GB")
    if data == packed:
        fine_tuned = dict(zip(NETWORKS, kept_features(machine)))
        for architecture, ours in fine_tuned.items():
            model = getattr(torchvision.models, architecture)(num_classes=7).eval()
            best = machine / f"{architecture}-imagenet" / "best.safetensors"
            model.load_state_dict(load_file(best), strict=True)
            difference = relative(ours, torch_features(model, images))
            print(f"{architecture}: features after fine-tuning differ by {difference:.1e} relative")
            assert difference < 1e-4
            loaded = torch.load(weights / f"{architecture}-random.pth")
            own = model.state_dict()
            same = [key for key in own if own[key].shape == loaded[key].shape and torch.equal(own[key], loaded[key])]
            print(f"{architecture}: {len(same)} of {len(own)} tensors as loaded: the frozen ones")
