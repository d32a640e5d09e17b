"""Golden numbers of generators, discriminators, adversarial losses and gradient penalties for crates/duchenne/tests/it/gan.rs, in double
precision, the penalties by PyTorch's double backward; kernel and Fréchet distance by scikit-learn and SciPy.

Set-up: python3 -m venv .venv && .venv/bin/pip install torch==2.11.0 numpy scipy scikit-learn
Use:    .venv/bin/python reference/gan_goldens.py > crates/duchenne/tests/goldens/gan.json
"""

import json
import sys

import numpy as np
import scipy.linalg
import sklearn
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics.pairwise import polynomial_kernel

from hashed_values import fingerprint, hashed, value

LATENT, WIDTH, CLASSES, BATCH = 6, 4, 7, 5


class Generator(nn.Module):
    def __init__(self, side, classes):
        super().__init__()
        widths = [8 * WIDTH, 4 * WIDTH, 2 * WIDTH, WIDTH]
        self.layers = nn.ModuleList([nn.ConvTranspose2d(LATENT + classes, widths[0], side // 16, 1, 0, bias=False)])
        for inputs, outputs in zip(widths, widths[1:]):
            self.layers.append(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False))
        self.layers.append(nn.ConvTranspose2d(WIDTH, 1, 4, 2, 1))
        self.norms = nn.ModuleList([nn.BatchNorm2d(width) for width in widths])

    def forward(self, latents, labels):
        x = latents if labels is None else torch.cat([latents, labels], 1)
        x = x[:, :, None, None]
        for layer, norm in zip(self.layers, self.norms):
            x = F.relu(norm(layer(x)))
        return torch.tanh(self.layers[-1](x))


class Discriminator(nn.Module):
    def __init__(self, side, condition, batch_norm):
        super().__init__()
        self.condition = condition
        inputs = 1 + (CLASSES if condition == "concatenated" else 0)
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        for index in range(4):
            outputs = WIDTH << index
            with_norm = batch_norm and index > 0
            self.layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not with_norm))
            if with_norm:
                self.norms.append(nn.BatchNorm2d(outputs))
            inputs = outputs
        outputs = 1 + (CLASSES if condition == "projection" else 0)
        self.layers.append(nn.Conv2d(inputs, outputs, side // 16, 1, 0))

    def forward(self, x, labels):
        if self.condition == "concatenated":
            x = torch.cat([x, labels[:, :, None, None].expand(-1, -1, x.shape[2], x.shape[3])], 1)
        first = len(self.layers) - 1 - len(self.norms)
        for index, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            if index >= first:
                x = self.norms[index - first](x)
            x = F.leaky_relu(x, 0.2)
        x = self.layers[-1](x).flatten(1)
        if self.condition == "projection":
            return x[:, :1] + (x[:, 1:] * labels).sum(1, keepdim=True)
        return x


def fill(model):
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(value(name, tuple(tensor.shape)))
    return model


def tensor(name, *shape):
    values = (hashed(name, int(np.prod(shape))) * 2).astype(np.float32).reshape(shape)
    return torch.from_numpy(values).double()


def gradients(loss, model):
    model.zero_grad()
    loss.backward(retain_graph=True)
    found = [(name, parameter.grad) for name, parameter in model.named_parameters()]
    return [fingerprint(name, torch.zeros(1) if grad is None else grad) for name, grad in found if grad is not None]


def case(side, condition, batch_norm):
    conditional = condition != "none"
    generator = fill(Generator(side, CLASSES if conditional else 0).double())
    discriminator = fill(Discriminator(side, condition, batch_norm).double())
    labels = F.one_hot(torch.arange(BATCH) % CLASSES, CLASSES).double() * 0.75 if conditional else None
    real, latents = tensor("real", BATCH, 1, side, side), tensor("latents", BATCH, LATENT)
    shares = tensor("shares", BATCH, 1, 1, 1) * 0.5 + 0.5
    images = generator(latents, labels)
    score = lambda x: discriminator(x, labels)
    of_generator = {
        "non-saturating": F.binary_cross_entropy_with_logits(score(images), torch.ones(BATCH, 1).double()),
        "wasserstein": -score(images).mean(),
    }
    result = {
        "side": side, "condition": condition, "batch_norm": batch_norm,
        "images": fingerprint("images", images), "scores": score(real).flatten().tolist(),
        "generator": {name: {"loss": float(loss), "gradients": gradients(loss, generator)}
                      for name, loss in of_generator.items()},
    }
    fake = images.detach()
    ones, zeros = torch.ones(BATCH, 1).double(), torch.zeros(BATCH, 1).double()
    bce = F.binary_cross_entropy_with_logits
    losses = {
        "non-saturating": bce(score(real), ones) + bce(score(fake), zeros),
        "wasserstein": score(fake).mean() - score(real).mean(),
    }
    if not batch_norm:
        between = (shares * real + (1 - shares) * fake).requires_grad_(True)
        slope = torch.autograd.grad(score(between).sum(), between, create_graph=True)[0]
        losses["between"] = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        at = real.clone().requires_grad_(True)
        slope = torch.autograd.grad(score(at).sum(), at, create_graph=True)[0]
        losses["real"] = slope.flatten(1).pow(2).sum(1).mean() / 2
    result["discriminator"] = {name: {"loss": float(loss), "gradients": gradients(loss, discriminator)}
                               for name, loss in losses.items()}
    return result


def distances(rows_a, rows_b, length):
    a = hashed("a", rows_a * length).astype(np.float32).reshape(rows_a, length).astype(np.float64)
    b = hashed("b", rows_b * length).astype(np.float32).reshape(rows_b, length).astype(np.float64) * 1.5 + 0.25
    b = b.astype(np.float32).astype(np.float64)
    kernel = lambda x, y: polynomial_kernel(x, y, degree=3, gamma=1 / length, coef0=1)
    within = lambda k: (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))
    mmd = within(kernel(a, a)) + within(kernel(b, b)) - 2 * kernel(a, b).mean()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    frechet = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    return {"rows": [rows_a, rows_b], "length": length, "kernel": float(mmd), "frechet": float(frechet)}


json.dump({
    "made_by": f"torch {torch.__version__}, scikit-learn {sklearn.__version__}, scipy {scipy.__version__}",
    "cases": [
        case(64, "none", True),
        case(64, "none", False),
        case(48, "concatenated", False),
        case(48, "projection", False),
    ],
    "distances": [distances(40, 60, 12), distances(80, 50, 20)],
}, sys.stdout)
