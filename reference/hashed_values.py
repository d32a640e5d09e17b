"""Weights and images from a hash of their names, which the Rust tests compute too (crates/duchenne/tests/it/golden.rs), so that goldens
need not store them; results are stored as their norm and their projection on a hashed vector."""

import numpy as np
import torch


def hashed(name, count):
    """`count` values in -0.5..0.5 from SplitMix64 over the FNV-1a hash of a name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & (2**64 - 1)
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(40)).astype(np.float64) / 2.0**24 - 0.5


def value(name, shape):
    """The value of a parameter or statistic; rounded to single precision, as Rust holds it."""
    count = int(np.prod(shape))
    u = hashed(name, count)
    if len(shape) > 1:
        u = u * np.sqrt(24.0 / (count // shape[0]))
    elif name.endswith("running_var") or name.endswith(".weight"):
        u = 1.0 + 0.4 * u
    else:
        u = 0.2 * u
    return torch.from_numpy(u.astype(np.float32).reshape(shape)).double()


def fingerprint(name, tensor):
    flat = tensor.detach().double().numpy().reshape(-1)
    return {"name": name, "norm": float(np.sqrt((flat**2).sum())),
            "projection": float((flat * hashed(name + "@projection", flat.size)).sum())}
