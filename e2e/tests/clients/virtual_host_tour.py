"""Drives an S3 server with boto3 in virtual-host style (`bucket.domain`), and says of each step whether it holds.

Usage: virtual_host_tour.py ENDPOINT DOMAIN, with the access key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
The names are resolved here, to the host of ENDPOINT: no name server knows them.
"""

import socket
import sys
import urllib.parse
import uuid

import boto3
from botocore.config import Config
from tour import check, http, pattern, refused, run, same, step

ENDPOINT, DOMAIN = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
PART = 5 * 1024 * 1024
KEYS = ["key", "a b/ü+&=?#%", "v2/", "v2/app/manifests/v1", "v2", "-/livez", "folder/-/x", "bucket"]

resolve = socket.getaddrinfo
HOSTS = set()


def resolve_here(host, *arguments, **options):
    if host == DOMAIN or host.endswith("." + DOMAIN):
        HOSTS.add(host)
        host = ENDPOINT.hostname
    return resolve(host, *arguments, **options)


socket.getaddrinfo = resolve_here


def client(style):
    config = Config(s3={"addressing_style": style}, signature_version="s3v4", retries={"max_attempts": 1},
                    connect_timeout=10, read_timeout=60, proxies={})
    return boto3.client("s3", endpoint_url=f"http://{DOMAIN}:{ENDPOINT.port}", region_name="us-east-1", config=config)


virtual, path = client("virtual"), client("path")


def new_bucket(prefix="tour"):
    name = f"{prefix}-{uuid.uuid4().hex[:20]}"
    virtual.create_bucket(Bucket=name)
    return name


def get(client, bucket, key):
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()


@step
def the_bucket_stands_in_the_host_and_not_in_the_path():
    bucket = new_bucket()
    virtual.head_bucket(Bucket=bucket)
    check(f"{bucket}.{DOMAIN}" in HOSTS, f"asked for {HOSTS}")
    check(bucket in [found["Name"] for found in path.list_buckets()["Buckets"]])


@step
def an_object_is_stored_read_listed_and_deleted_under_every_key():
    bucket = new_bucket()
    for number, key in enumerate(KEYS):
        body = pattern(3000, number)
        virtual.put_object(Bucket=bucket, Key=key, Body=body)
        same(get(virtual, bucket, key), body)
        same(get(path, bucket, key), body)
        same(virtual.head_object(Bucket=bucket, Key=key)["ContentLength"], 3000)
    listed = virtual.list_objects_v2(Bucket=bucket)["Contents"]
    same([found["Key"] for found in listed], sorted(KEYS, key=lambda key: key.encode()))
    listed = virtual.list_objects_v2(Bucket=bucket, Prefix="v2/", Delimiter="/")
    same([found["Prefix"] for found in listed["CommonPrefixes"]], ["v2/app/"])
    virtual.delete_object(Bucket=bucket, Key="v2/app/manifests/v1")
    refused("NoSuchKey", 404, get, virtual, bucket, "v2/app/manifests/v1")


@step
def what_was_stored_in_path_style_is_read_in_virtual_host_style():
    bucket = new_bucket()
    path.put_object(Bucket=bucket, Key="from/path", Body=b"same")
    same(get(virtual, bucket, "from/path"), b"same")


@step
def a_bucket_with_dots_in_its_name_is_a_host_too():
    bucket = new_bucket("with.dots.in")
    virtual.put_object(Bucket=bucket, Key="key", Body=b"dots")
    same(get(virtual, bucket, "key"), b"dots")


@step
def copies_and_uploads_in_parts_work():
    bucket, body = new_bucket(), pattern(PART + 17)
    upload = virtual.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    parts = []
    for number, piece in enumerate((body[:PART], body[PART:]), 1):
        part = virtual.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    virtual.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    virtual.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "parts"})
    same(get(virtual, bucket, "copy"), body)


@step
def a_presigned_url_opens_one_operation_of_one_bucket():
    bucket, other, body = new_bucket(), new_bucket(), pattern(2000)
    for key in KEYS:
        url = lambda operation: virtual.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key})
        check(url("get_object").startswith(f"http://{bucket}.{DOMAIN}:"), url("get_object"))
        same(http("PUT", url("put_object"), body)[0], 200)
        same(http("GET", url("get_object"))[::2], (200, body))
        same(http("PUT", url("get_object"), b"x")[0], 403)
        virtual.put_object(Bucket=other, Key=key, Body=b"not to be seen")
        same(http("GET", url("get_object").replace(bucket, other))[0], 403)
        same(http("GET", url("get_object").split("?")[0])[0], 403)


@step
def a_bucket_that_is_not_there_is_said_not_to_be():
    refused("NoSuchBucket", 404, get, virtual, "no-such-bucket", "key")
    refused("NoSuchBucket", 404, get, virtual, "no-such-bucket", "v2/key")


@step
def the_domain_itself_has_the_other_doors_too():
    base = f"http://{DOMAIN}:{ENDPOINT.port}"
    same(http("GET", f"{base}/-/livez")[0], 200)
    status, headers, _ = http("GET", f"{base}/v2/")
    wanted = f'Bearer realm="{base}/-/token"'
    check(status == 401 and wanted in headers.get("WWW-Authenticate", ""), f"{status} {headers}")


if __name__ == "__main__":
    sys.exit(run())
