"""Whether ONNX Runtime computes from `model export`'s ONNX files what this program computes: every architecture with its options,
random and trained weights, whole and half precision, batch normalisation folded and kept, views, ensembles, batches of 1 and
32; the built-in models; the detector's outputs at several sizes. Of every file, too: that the `onnx` package knows every field,
its full check, and shape inference in strict mode.

pip install numpy onnx onnxruntime pillow safetensors
DUCHENNE_ONNX=heads cargo test --release --workspace --test it heads_of_the_detector     # the detector's outputs
python reference/onnx_check.py target/release/duchenne heads [CASE...]

Models are trained for a few steps on drawn bars: what matters is that weights and running statistics are those of a training. Random
ones are drawn anew under the same names. Temperatures are made the deviation of the logits, so that probabilities do not saturate; of
trained models only where that is larger than their own. The program's own probabilities are those of `predict --whole --json`.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf.unknown_fields import UnknownFieldSet
from onnx import shape_inference
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

#: Largest difference of a probability.
TOLERANCE = {"full": 1e-5, "half": 2e-3}
FACES = 32
CLASSES = ["down", "left", "middle", "right", "up"]
KEY = "duchenne.manifest"

#: Name: (settings of a training, side of a face, whether in colour, views). The architectures come from the program's own list.
OPTIONS = {
    "compact, 2 times as wide, colour": (
        ["network.widen=2", "input.channels=3", "input.mean=[0.4, 0.5, 0.6]", "input.deviation=[0.2, 0.25, 0.3]", "input.crop=44"],
        48, True, "mirrored",
    ),
    "compact, ten crops": (["input.crop=40"], 48, False, "ten-crop"),
    "resnet18, small stem, gray in three channels, 40 pixels": (
        ["network.architecture=resnet18", "network.stem=small", "input.channels=3", "input.resize=40", "input.crop=33"],
        40, False, "single",
    ),
    "vgg11, head 2 of a map of 1": (["network.architecture=vgg11", "network.head=2"], 48, False, "mirrored"),
    "vgg11_bn, head 2 of a map of 3": (
        ["network.architecture=vgg11_bn", "network.head=2", "input.resize=96", "input.crop=96"], 96, False, "mirrored",
    ),
}  # fmt: skip

random = np.random.default_rng(1)


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def bars(label, side, color):
    """A bar whose place and direction tell the class, under noise."""
    picture = random.integers(0, 90, (side, side, 3 if color else 1)).astype(np.uint8)
    at = [side - 14, 2, side // 2 - 6, side - 14, 2][label] + random.integers(-2, 3)
    picture[(slice(at, at + 12), slice(None)) if label in (0, 4) else (slice(None), slice(at, at + 12))] += 120
    return picture if color else picture[:, :, 0]


def faces(side, color):
    """Parts of the example, bars and noise."""
    example = Image.open(Path(__file__).parent.parent / "examples/faces.png").convert("RGB" if color else "L")
    pictures = []
    for index in range(FACES):
        if index % 4 == 0:
            pictures.append(random.integers(0, 256, (side, side, 3) if color else (side, side)).astype(np.uint8))
        elif index % 4 == 1:
            pictures.append(bars(index % 5, side, color))
        else:
            left, top = random.integers(0, 600), random.integers(0, 400)
            pictures.append(np.asarray(example.crop((left, top, left + 220, top + 220)).resize((side, side))))
    return pictures


def unknown_fields(message):
    count = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type:
            parts = value if field.is_repeated else [value]
            count += sum(unknown_fields(part) for part in parts)
    return count


def checked(path):
    """The model, if it is one by every rule."""
    model = onnx.load(path)
    assert unknown_fields(model) == 0, f"{path}: fields that onnx does not know"
    onnx.checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert list(inferred.graph.output) == list(model.graph.output), f"{path}: inferred outputs differ from those declared"
    return model, {entry.key: entry.value for entry in model.metadata_props}


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    content = model if isinstance(model, (str, bytes)) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def deviation_of_logits(path, images):
    """Of a network's last layer."""
    model = onnx.load(path)
    last = [node for node in model.graph.node if node.op_type == "Gemm"][-1]
    model.graph.output.append(onnx.helper.make_tensor_value_info(last.output[0], onnx.TensorProto.FLOAT, None))
    return float(session(model).run([last.output[0]], {"images": images})[0].std())


class Check:
    def __init__(self, program, folder):
        self.program, self.folder, self.failures, self.files = program, folder, 0, 0
        self.data, self.pictures = {}, {}

    def data_set(self, side, color):
        if (side, color) not in self.data:
            root = self.folder / f"set-{side}-{color}"
            for split, count in (("train", 16), ("validation", 8)):
                for label, name in enumerate(CLASSES):
                    (root / split / name).mkdir(parents=True)
                    for index in range(count):
                        Image.fromarray(bars(label, side, color)).save(root / split / name / f"{index}.png")
            out = self.folder / f"set-{side}-{color}.safetensors"
            run(self.program, "data", "import", "folder", root, "--out", out, "--size", side, *["--color"] * color)
            self.data[side, color] = out
        return self.data[side, color]

    def faces(self, side, color):
        """A folder of faces, and the same as a graph's input."""
        if (side, color) not in self.pictures:
            root = self.folder / f"faces-{side}-{color}"
            root.mkdir()
            pictures = faces(side, color)
            for index, picture in enumerate(pictures):
                Image.fromarray(picture).save(root / f"{index:02}.png")
            images = np.stack(pictures).astype(np.float32)
            self.pictures[side, color] = root, images.transpose(0, 3, 1, 2).copy() if color else images[:, None]
        return self.pictures[side, color]

    def trained(self, settings, side, color):
        where = self.folder / "run"
        settings = [word for setting in settings for word in ("--set", setting)]
        run(self.program, "train", "--recipe", "compact", "--data", self.data_set(side, color), "--run", where, "--epochs", 4,
            "--set", "training.batch_size=16", "--set", "training.learning_rate=0.01", *settings)  # fmt: skip
        model = (where / "best.safetensors").rename(self.folder / "trained.safetensors")
        shutil.rmtree(where)
        return self.tempered(model, side, color, self.read(model)[0]["temperature"])

    def drawn(self, model, side, color):
        """The model with weights drawn anew, and a temperature that suits them."""
        manifest, tensors = self.read(model)
        for name, tensor in tensors.items():
            layer, part = name.rsplit(".", 1)
            if part == "num_batches_tracked":
                continue
            if tensor.ndim > 1:
                scale = (2 / np.prod(tensor.shape[1:])) ** 0.5
                values = random.standard_normal(tensor.shape, np.float32) * np.float32(scale)
            elif part in ("weight", "running_var"):
                values = random.uniform(0.5, 1.5, tensor.shape)
            else:
                values = random.normal(0, 0.2, tensor.shape)
            tensors[name] = values.astype(np.float32)
        path = self.folder / "random.safetensors"
        self.write(path, manifest | {"temperature": 1.0}, tensors)
        return self.tempered(path, side, color, 0.0)

    def tempered(self, model, side, color, least):
        """With the deviation of its logits as the temperature, if that is more than `least`."""
        logits = self.folder / "logits.onnx"
        run(self.program, "model", "export", model, "--views", "single", "--out", logits)
        manifest, tensors = self.read(model)
        deviation = deviation_of_logits(logits, self.faces(side, color)[1])
        self.write(model, manifest | {"temperature": max(deviation, least)}, tensors)
        return model

    def read(self, model):
        with safe_open(model, "numpy") as file:
            return json.loads(file.metadata()[KEY]), load_file(model)

    def write(self, path, manifest, tensors):
        save_file(tensors, path, {KEY: json.dumps(manifest)})

    def own(self, models, side, color, views):
        words = [word for model in models for word in ("--model", model)]
        lines = run(self.program, "predict", self.faces(side, color)[0], "--whole", "--json", "--views", views, *words)
        rows = [json.loads(line)["faces"][0]["probabilities"] for line in lines.splitlines()]
        return list(rows[0]), np.array([list(row.values()) for row in rows])

    def compare(self, name, models, side, color, views, varied):
        """Every form of the file against the program; `varied` where probabilities must tell faces apart."""
        labels, expected = self.own(models, side, color, views)
        assert expected.shape[0] == FACES and expected.max(1).mean() < 0.97, f"{name}: {expected.max(1).mean()} sure"
        if varied:
            assert expected.max(1).mean() > 0.25 and expected.std(0).max() > 0.02, f"{name}: nothing to compare"
        path = self.folder / "model.onnx"
        for words in ([], ["--half"], ["--keep-batch-norm"], ["--half", "--keep-batch-norm"]):
            run(self.program, "model", "export", *models, "--views", views, "--out", path, *words)
            model, texts = checked(path)
            if "--keep-batch-norm" in words and not any(node.op_type == "BatchNormalization" for node in model.graph.node):
                break
            assert json.loads(texts["duchenne.labels"]) == labels
            assert len(json.loads(texts["duchenne.models"])) == len(models)
            runner, images = session(str(path)), self.faces(side, color)[1]
            alone = [runner.run(["probabilities"], {"images": images[at : at + 1]})[0] for at in range(FACES)]
            together = runner.run(["probabilities"], {"images": images})[0]
            differences = [float(np.abs(got - expected).max()) for got in (np.concatenate(alone), together)]
            self.say(name, " ".join(words), max(differences), TOLERANCE[texts["duchenne.precision"]], path)
        return path

    def say(self, name, form, difference, tolerance, path):
        self.files += 1
        verdict = "" if difference <= tolerance else f"   ABOVE {tolerance}"
        self.failures += bool(verdict)
        print(f"{name:<58} {form:<25} {difference:.1e} {path.stat().st_size / 2**20:7.2f} MiB{verdict}", flush=True)

    def case(self, name, settings, side, color, views):
        model = self.trained(settings, side, color)
        self.compare(f"{name}, trained", [model], side, color, views, False)
        self.compare(f"{name}, random", [self.drawn(model, side, color)], side, color, views, True)

    def detector(self, heads):
        tensors = load_file(heads / "detector.safetensors")
        numbers = sorted({name.split(".")[0] for name in tensors})
        assert len(numbers) >= 3
        for words in ([], ["--half"]):
            path = self.folder / "detector.onnx"
            run(self.program, "model", "export", "built-in-detector", "--out", path, *words)
            checked(path)
            runner = session(str(path))
            names = [output.name for output in runner.get_outputs()]
            for number in numbers:
                picture = tensors[f"{number}.picture"].transpose(2, 0, 1)[None]
                # Two of them at once: the second mirrored, whose outputs must not touch the first's.
                both = np.concatenate([picture, picture[..., ::-1]])
                differences = []
                for batch in (picture, both):
                    for name, got in zip(names, runner.run(names, {"images": batch})):
                        expected = tensors[f"{number}.{name}"]
                        assert got.shape[1:] == expected.shape
                        differences.append(np.abs(got[0] - expected).max() / np.abs(expected).max())
                height, width = picture.shape[2:]
                # Of the largest value of each head: they are no probabilities.
                self.say(f"detector, {width} x {height}", " ".join(words), max(differences), TOLERANCE["half" if words else "full"], path)


def main():
    program, heads, wanted = Path(sys.argv[1]).resolve(), Path(sys.argv[2]), sys.argv[3:]
    # The one list of architectures: what the program says when it is given none.
    usage = subprocess.run([program, "model", "import", "x", "--arch", "none"], capture_output=True, text=True).stderr
    architectures = usage[usage.index("[possible values: ") + 18 : usage.index("]", usage.index("[possible"))].split(", ")
    cases = {name: ([f"network.architecture={name}"], 48, False, "mirrored") for name in architectures} | OPTIONS
    with tempfile.TemporaryDirectory() as folder:
        check = Check(program, Path(folder))
        for name, case in cases.items():
            if not wanted or name.split(",")[0] in wanted:
                check.case(name, *case)
        if not wanted or "built-in" in wanted:
            built_in = ["built-in", "built-in-compact", "built-in-fer2013", "built-in-fer2013-compact"]
            for models in [[model] for model in built_in] + [built_in[:2], built_in[2:] + built_in[2:3]]:
                check.compare(" + ".join(models), models, 48, False, "mirrored", True)
        if not wanted or "detector" in wanted:
            check.detector(heads)
        print(f"ONNX Runtime {onnxruntime.__version__}, onnx {onnx.__version__}: {check.files} comparisons, {check.failures} above tolerance")
        sys.exit(check.failures > 0 or check.files == 0)


if __name__ == "__main__":
    main()
