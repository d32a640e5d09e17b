"""The work of `benches/throughput` in PyTorch and ONNX Runtime: one JSON line per work, as the Rust program
prints them: {"work": ..., "peer": ..., "milliseconds": ...}; medians after a warm-up.

Use: peers.py FOLDER [THREADS]   (FOLDER receives the .onnx files; `compare.py` calls this)
"""
import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torchvision
from torch import nn
from torch.nn import functional


def median_milliseconds(step, seconds=2.0):
    for _ in range(3):
        step()
    times, begun = [], time.perf_counter()
    while len(times) < 7 or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] * 1e3


def report(work, peer, milliseconds):
    print(json.dumps({"work": work, "peer": peer, "milliseconds": round(milliseconds, 3)}), flush=True)


def resnet50():
    network = torchvision.models.resnet50(num_classes=7)
    network.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    return network


def vgg16():
    features = torchvision.models.vgg16(num_classes=7).features
    features[0] = nn.Conv2d(1, 64, 3, 1, 1)
    head = [nn.Linear(512, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 7)]
    return nn.Sequential(*features, nn.Flatten(), *head)


def training(network, images, memory_format):
    network = network.train().to(memory_format=memory_format)
    images = images.to(memory_format=memory_format)
    targets = torch.randint(0, 7, (len(images),))
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)

    def step():
        optimizer.zero_grad()
        functional.cross_entropy(network(images), targets).backward()
        optimizer.step()

    return step


class Generator(nn.Sequential):
    def __init__(self):
        layers, inputs = [], 100
        for index, outputs in enumerate([1024, 512, 256, 128, 1]):
            geometry = (4, 1, 0) if index == 0 else (4, 2, 1)
            layers.append(nn.ConvTranspose2d(inputs, outputs, *geometry, bias=index == 4))
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(True)] if index < 4 else [nn.Tanh()]
            inputs = outputs
        super().__init__(*layers)


class Discriminator(nn.Sequential):
    def __init__(self, with_norm):
        layers, inputs = [], 1
        for index, outputs in enumerate([128, 256, 512, 1024]):
            with_norm_here = with_norm and index > 0
            layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not with_norm_here))
            layers += [nn.BatchNorm2d(outputs)] if with_norm_here else []
            layers.append(nn.LeakyReLU(0.2))
            inputs = outputs
        super().__init__(*layers, nn.Conv2d(inputs, 1, 4, 1, 0))


def dcgan(batch, memory_format):
    generator = Generator().to(memory_format=memory_format)
    discriminator = Discriminator(True).to(memory_format=memory_format)
    real = torch.randn(batch, 1, 64, 64)
    adams = [torch.optim.Adam(network.parameters(), 1e-4) for network in (generator, discriminator)]

    def step():
        fake = generator(torch.randn(batch, 100, 1, 1))
        adams[1].zero_grad()
        loss = functional.softplus(-discriminator(real)).mean()
        (loss + functional.softplus(discriminator(fake.detach())).mean()).backward()
        adams[1].step()
        adams[0].zero_grad()
        functional.softplus(-discriminator(fake)).mean().backward()
        adams[0].step()

    return step


def wgan_gp_critic(batch, memory_format):
    generator = Generator().to(memory_format=memory_format)
    critic = Discriminator(False).to(memory_format=memory_format)
    real = torch.randn(batch, 1, 64, 64)
    adam = torch.optim.Adam(critic.parameters(), 1e-4)

    def step():
        with torch.no_grad():
            fake = generator(torch.randn(batch, 100, 1, 1))
        adam.zero_grad()
        share = torch.rand(batch, 1, 1, 1)
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        gradient = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[0]
        penalty = ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()
        (critic(fake).mean() - critic(real).mean() + 10 * penalty).backward()
        adam.step()

    return step


def main():
    folder = Path(sys.argv[1])
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    formats = {"pytorch": torch.contiguous_format, "pytorch channels-last": torch.channels_last}
    for name, build in (("resnet50", resnet50), ("vgg16", vgg16)):
        for peer, memory_format in formats.items():
            step = training(build(), torch.randn(32, 1, 48, 48), memory_format)
            report(f"{name}-train-b32", peer, median_milliseconds(step))
        network = build().eval()
        for batch in (1, 32):
            images = torch.randn(batch, 1, 48, 48)
            with torch.no_grad():
                report(f"{name}-infer-b{batch}", "pytorch", median_milliseconds(lambda: network(images)))
            file = folder / f"{name}-b{batch}.onnx"
            torch.onnx.export(network, images, file, dynamo=False, input_names=["x"], output_names=["y"])
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            inputs = {"x": images.numpy().astype(np.float32)}
            run = median_milliseconds(lambda: session.run(None, inputs))
            report(f"{name}-infer-b{batch}", "onnxruntime", run)
    for peer, memory_format in formats.items():
        report("dcgan-step-b16", peer, median_milliseconds(dcgan(16, memory_format)))
        report("wgan-gp-critic-b8", peer, median_milliseconds(wgan_gp_critic(8, memory_format)))


main()
