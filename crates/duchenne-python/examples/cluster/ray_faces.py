"""The faces in a folder of pictures, or in Parquet files with a column `bytes`, by Ray Data.

python ray_faces.py pictures/ faces/ --actors 2
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import ray
from duchenne.cluster import RecognizeTable


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("pictures", type=Path)
    arguments.add_argument("out", type=Path, help="folder for Parquet files")
    arguments.add_argument("--actors", type=int, default=2, help="each has one CPU and one model")
    arguments.add_argument("--model", default="built-in")
    arguments.add_argument("--batch", type=int, default=16, help="pictures decoded at once by an actor")
    given = arguments.parse_args()

    # On a machine of one's own the pictures are read beside the actors: with as many CPUs as actors nothing would begin.
    own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": given.actors + 1}
    ray.init(**own)
    if any(given.pictures.glob("*.parquet")):
        pictures = ray.data.read_parquet(str(given.pictures))
    else:
        pictures = ray.data.read_binary_files(str(given.pictures), include_paths=True)
    # Ray starts an actor that was lost anew, and gives its batches to it or to another: the files that are written have names
    # of their own, so that a batch which is done twice is there once.
    faces = pictures.map_batches(
        RecognizeTable,
        batch_format="pyarrow",
        batch_size=given.batch,
        fn_constructor_kwargs={"model": given.model, "threads": 1},
        compute=ray.data.ActorPoolStrategy(size=given.actors),
        num_cpus=1,
    )
    faces.write_parquet(str(given.out.absolute()))


if __name__ == "__main__":
    main()
