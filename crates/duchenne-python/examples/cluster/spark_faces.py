"""The faces in a folder of pictures by Spark.

python spark_faces.py pictures/ faces/
"""

from __future__ import annotations

import sys
from functools import partial

import duchenne
from duchenne.cluster import recognize_batches, schema
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StringType, StructField, StructType


def main(pictures: str, out: str) -> None:
    spark = SparkSession.builder.appName("faces").getOrCreate()
    # Few pictures a batch: each is decoded whole.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "32")
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(pictures)
    files = files.selectExpr("path", "content as bytes")
    added = from_arrow_schema(schema(duchenne.Recognizer("built-in").classes))
    columns = StructType([StructField("path", StringType()), *added])
    files.mapInArrow(partial(recognize_batches, model="built-in", threads=1), columns).write.mode("overwrite").parquet(out)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:3])
