"""The faces in a folder of pictures by Dask.

python dask_faces.py pictures/ faces/
"""

from __future__ import annotations

import sys
from pathlib import Path

import dask.dataframe
import pandas
from dask.distributed import Client, LocalCluster
from duchenne.cluster import recognize_frame


def main(pictures: str, out: str) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster):
        paths = pandas.DataFrame({"path": sorted(str(path.absolute()) for path in Path(pictures).rglob("*") if path.is_file())})
        # Partitions of some pictures: a worker that is lost loses one, and another does it again.
        frame = dask.dataframe.from_pandas(paths, npartitions=max(1, len(paths) // 16))
        meta = recognize_frame(paths.head(0), threads=1)
        faces = frame.map_partitions(recognize_frame, threads=1, meta=meta)
        faces.to_parquet(out, write_index=False, overwrite=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
