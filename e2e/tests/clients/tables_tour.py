"""Drives an S3 server with what reads and writes tables: s3fs, pandas, pyarrow and DuckDB, each at its default settings.

Usage: tables_tour.py; endpoint, region and access key are those of the environment.
Each step has a bucket of its own, runs whatever happened to the others, and is a sentence about what must hold.
"""

import os
import sys
import urllib.parse
import uuid

import duckdb
import duckdb_extension_httpfs
import numpy
import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import s3fs
from tour import check, http, pattern, run, same, step

ENDPOINT = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
ROWS = 40_000

files = s3fs.S3FileSystem()


def new_bucket():
    name = f"tables-{uuid.uuid4().hex[:20]}"
    files.mkdir(name)
    return name


def frame(rows=ROWS, seed=0):
    """Columns that do not compress: a part of the file is a part of the bytes."""
    random = numpy.random.default_rng(seed)
    return pandas.DataFrame({"id": numpy.arange(rows), "city": random.choice(["Köln", "Basel", "Wien"], rows),
                             "size": random.random(rows), "noise": random.integers(0, 2**62, rows)})


def arrow():
    return pyarrow.fs.S3FileSystem(endpoint_override=ENDPOINT.netloc, scheme=ENDPOINT.scheme, region="us-east-1")


def duck():
    database = duckdb.connect()
    folder = os.path.dirname(duckdb_extension_httpfs.__file__)
    # As published and signed, from its package: no host of extensions is asked.
    database.load_extension(f"{folder}/extensions/v{duckdb.__version__}/httpfs.duckdb_extension")
    # An endpoint that is no host of AWS has to be named, and that its buckets stand in the path.
    database.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}', SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}',
        REGION 'us-east-1', ENDPOINT '{ENDPOINT.netloc}', USE_SSL {ENDPOINT.scheme == "https"}, URL_STYLE 'path')""")
    return database


@step
def s3fs_writes_reads_lists_copies_and_removes_files():
    bucket = new_bucket()
    names = ["plain", "a b", "plus+percent%20", "ü/€", "deep/er/file"]
    for name in names:
        files.pipe(f"{bucket}/{name}", name.encode())
    for name in names:
        same(files.cat(f"{bucket}/{name}"), name.encode())
    files.invalidate_cache()
    same(sorted(files.find(bucket)), sorted(f"{bucket}/{name}" for name in names))
    same(sorted(files.ls(bucket, detail=False)), sorted(f"{bucket}/{name}" for name in ["plain", "a b", "plus+percent%20", "ü", "deep"]))
    same(files.glob(f"{bucket}/p*"), [f"{bucket}/plain", f"{bucket}/plus+percent%20"])
    check(files.isdir(f"{bucket}/deep") and files.isfile(f"{bucket}/plain") and not files.exists(f"{bucket}/none"))
    files.copy(f"{bucket}/plain", f"{bucket}/copy")
    files.mv(f"{bucket}/copy", f"{bucket}/moved")
    same(files.cat(f"{bucket}/moved"), b"plain")
    files.rm(bucket, recursive=True)
    check(not files.exists(bucket))


@step
def a_file_is_written_in_parts_read_in_pieces_and_appended_to():
    bucket, body = new_bucket(), pattern(11 * 2**20 + 3)
    with files.open(f"{bucket}/big", "wb", block_size=5 * 2**20) as file:
        for at in range(0, len(body), 999_983):
            file.write(body[at:at + 999_983])
    check(files.info(f"{bucket}/big")["ETag"].endswith('-2"'), files.info(f"{bucket}/big")["ETag"])
    with files.open(f"{bucket}/big", "rb") as file:
        file.seek(5 * 2**20 - 7)
        check(file.read(20) == body[5 * 2**20 - 7:][:20], "other bytes")
    check(files.cat_file(f"{bucket}/big", start=-10) == body[-10:], "other bytes")
    # Below the smallest part s3fs reads and writes the file again; above it the old object becomes the first part.
    for name, old in [("small", b"one"), ("big", body)]:
        files.pipe(f"{bucket}/{name}", old)
        with files.open(f"{bucket}/{name}", "ab") as file:
            file.write(b", two")
        check(files.cat(f"{bucket}/{name}") == old + b", two", f"{name}: other bytes")


@step
def metadata_tags_and_presigned_urls_work_from_s3fs():
    bucket = new_bucket()
    files.pipe(f"{bucket}/key", b"x" * 10)
    files.setxattr(f"{bucket}/key", colour="blue")
    same(files.getxattr(f"{bucket}/key", "colour"), "blue")
    files.put_tags(f"{bucket}/key", {"team": "a b"})
    same(files.get_tags(f"{bucket}/key"), {"team": "a b"})
    # Without being told, botocore presigns with version 2 of the signature.
    signer = s3fs.S3FileSystem(config_kwargs={"signature_version": "s3v4"})
    same(http("GET", signer.sign(f"{bucket}/key"))[::2], (200, b"x" * 10))


@step
def pandas_writes_and_reads_parquet_and_csv():
    bucket, table = new_bucket(), frame()
    table.to_parquet(f"s3://{bucket}/table.parquet")
    pandas.testing.assert_frame_equal(pandas.read_parquet(f"s3://{bucket}/table.parquet"), table)
    columns = pandas.read_parquet(f"s3://{bucket}/table.parquet", columns=["id", "city"], filters=[("id", "<", 10)])
    same((list(columns), len(columns)), (["id", "city"], 10))
    table.head(50).to_csv(f"s3://{bucket}/table ü.csv.gz", index=False)
    pandas.testing.assert_frame_equal(pandas.read_csv(f"s3://{bucket}/table ü.csv.gz"), table.head(50))


@step
def pyarrow_reads_one_column_without_the_others():
    bucket, table = new_bucket(), pyarrow.Table.from_pandas(frame())
    pyarrow.parquet.write_table(table, f"{bucket}/table.parquet", filesystem=arrow(), row_group_size=10_000)
    size, asked = files.info(f"{bucket}/table.parquet")["size"], []
    with files.open(f"{bucket}/table.parquet", cache_type="none") as file:
        fetch = file.cache.fetcher
        file.cache.fetcher = lambda start, end: asked.append(end - start) or fetch(start, end)
        found = pyarrow.parquet.ParquetFile(file).read_row_group(2, columns=["size"])
        check(found.column("size").equals(table.column("size").slice(20_000, 10_000)), "other values")
    check(0 < sum(asked) < size / 4, f"{sum(asked)} bytes of {size} were read for one column of one group of rows")
    native = pyarrow.parquet.read_table(f"{bucket}/table.parquet", columns=["city"], filesystem=arrow())
    check(native.column("city").equals(table.column("city").cast(native.schema.field("city").type)), "other values")


@step
def pyarrow_writes_and_reads_a_partitioned_dataset():
    bucket, table = new_bucket(), pyarrow.Table.from_pandas(frame(3000))
    pyarrow.dataset.write_dataset(table, f"{bucket}/set", format="parquet", partitioning=["city"],
                                  partitioning_flavor="hive", filesystem=arrow())
    found = pyarrow.dataset.dataset(f"{bucket}/set", partitioning="hive", filesystem=arrow())
    same((len(found.files), found.count_rows()), (3, 3000))
    basel = found.to_table(filter=pyarrow.dataset.field("city") == "Basel", columns=["id"])
    same(basel.num_rows, sum(city == "Basel" for city in table.column("city").to_pylist()))
    # Files of more than one part: pyarrow's own client uploads them in parts of 10 MiB.
    body = pattern(21 * 2**20 + 5)
    with arrow().open_output_stream(f"{bucket}/big") as file:
        file.write(body)
    check(files.cat(f"{bucket}/big") == body, "other bytes")
    arrow().delete_dir(f"{bucket}/set")
    same(files.find(f"{bucket}/set", refresh=True), [])


@step
def duckdb_writes_globs_and_reads_columns_by_range():
    bucket, database = new_bucket(), duck()
    for n in range(3):
        database.execute(f"""COPY (SELECT i AS id, hash(i) AS noise, 'Köln ' || (i % 7) AS city FROM range({n * 20_000}, {(n + 1) * 20_000}) t(i))
            TO 's3://{bucket}/year=202{n}/part {n}.parquet' (FORMAT parquet, ROW_GROUP_SIZE 5000)""")
    same(database.execute(f"SELECT count(*), min(id), max(id) FROM 's3://{bucket}/*/*.parquet'").fetchone(), (60_000, 0, 59_999))
    same(database.execute(f"""SELECT year, count(*) FROM read_parquet('s3://{bucket}/**/*.parquet', hive_partitioning = true)
        WHERE id % 10 = 0 GROUP BY year ORDER BY year""").fetchall(), [(2020, 2000), (2021, 2000), (2022, 2000)])
    same(database.execute(f"SELECT city FROM 's3://{bucket}/year=2021/part 1.parquet' WHERE id = 20003").fetchone(), ("Köln 4",))
    same(pandas.read_parquet(f"s3://{bucket}/year=2022/part 2.parquet", columns=["id"])["id"].max(), 59_999)
    database.execute(f"COPY (SELECT repeat('x', 100) || i AS text FROM range(300_000) t(i)) TO 's3://{bucket}/big.csv'")
    same(database.execute(f"SELECT count(*), max(text) FROM read_csv('s3://{bucket}/big.csv')").fetchone(), (300_000, "x" * 100 + "99999"))


@step
def duckdb_reads_through_the_file_system_of_fsspec():
    bucket, database = new_bucket(), duckdb.connect()
    frame(1000).to_parquet(f"s3://{bucket}/table.parquet")
    database.register_filesystem(files)
    same(database.execute(f"SELECT count(*), max(id) FROM 's3://{bucket}/*.parquet'").fetchone(), (1000, 999))


if __name__ == "__main__":
    sys.exit(run())
