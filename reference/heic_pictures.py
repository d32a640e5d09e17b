"""Small HEIC pictures of the drawn faces, and what libheif reads in them, for the tests of decoding.

Usage: pip install pillow pillow-heif numpy; python reference/heic_pictures.py

Reads examples/faces.png and writes crates/duchenne/tests/goldens/heic/: pictures as phones, cameras and programs make
them (chroma at a quarter, half and full resolution, gray, ten bits, transparent, turned, cut off), coded by x265, and
beside each the gray levels that libheif decodes, as PNG.
"""

from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "crates/duchenne/tests/goldens/heic"


def keep(name: str) -> None:
    """Writes what libheif decodes; transparency over white."""
    picture = Image.open(OUT / f"{name}.heic")
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    picture.convert("L").save(OUT / f"{name}.png", optimize=True)


def main() -> None:
    pillow_heif.register_heif_opener()
    OUT.mkdir(parents=True, exist_ok=True)
    faces = Image.open(ROOT / "examples/faces.png").convert("RGB")
    small = faces.resize((192, 192 * faces.height // faces.width), Image.Resampling.LANCZOS)

    for name, chroma in (("quarter", 420), ("half", 422), ("full", 444)):
        small.save(OUT / f"{name}.heic", quality=70, chroma=chroma)
    small.convert("L").save(OUT / "gray.heic", quality=70)
    transparent = small.convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(small.size))
    transparent.save(OUT / "transparent.heic", quality=70)
    exif = Image.Exif()
    exif[0x112] = 6
    small.save(OUT / "turned.heic", quality=70, exif=exif)

    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    deep = np.asarray(small).astype(np.uint16) * 257
    pillow_heif.from_bytes("RGB;16", small.size, deep.tobytes()).save(OUT / "ten-bits.heic", quality=70)

    for name in ("quarter", "half", "full", "gray", "transparent", "turned", "ten-bits"):
        keep(name)


if __name__ == "__main__":
    main()
