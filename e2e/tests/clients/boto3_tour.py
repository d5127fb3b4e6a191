"""Drives an S3 server with boto3 as an application would, and says of each step whether it holds.

Usage: boto3_tour.py ENDPOINT, with the access key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
Each step has a bucket of its own, runs whatever happened to the others, and is a sentence about what must hold.
Prints a line a step and exits with 1 when one failed.
"""

import base64
import datetime
import hashlib
import io
import json
import os
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
from awscrt import checksums as crt
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from tour import check, http, pattern, refused, run, same, step

ENDPOINT = sys.argv[1]
PART = 5 * 1024 * 1024


def client(**overrides):
    options = {"endpoint_url": ENDPOINT, "region_name": "us-east-1", "verify": False}
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1},
                    connect_timeout=10, read_timeout=60)
    return boto3.client("s3", **{**options, "config": config, **overrides})


s3 = client()


def new_bucket():
    name = f"tour-{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=name)
    return name


def put(bucket, key, body=b"x", **options):
    return s3.put_object(Bucket=bucket, Key=key, Body=body, **options)


def get(bucket, key, **options):
    return s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()


def manage(method, path, body=None):
    """The status of a request to the management API, as the holder of the access key."""
    pair = f"{os.environ['AWS_ACCESS_KEY_ID']}:{os.environ['AWS_SECRET_ACCESS_KEY']}"
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(), "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ENDPOINT}/-/api/v1/{path}", data, headers, method=method)
    context = ssl._create_unverified_context() if ENDPOINT.startswith("https") else None
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


# --- buckets ---------------------------------------------------------------------------------------------------------

@step
def a_new_bucket_is_listed_found_and_located():
    bucket = new_bucket()
    check(bucket in [found["Name"] for found in s3.list_buckets()["Buckets"]])
    s3.head_bucket(Bucket=bucket)
    check(s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] in (None, "", "us-east-1"))


@step
def an_empty_bucket_is_deleted_and_is_gone():
    bucket = new_bucket()
    s3.delete_bucket(Bucket=bucket)
    refused(None, 404, s3.head_bucket, Bucket=bucket)
    refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket=bucket)
    refused("NoSuchBucket", 404, put, bucket, "key")


@step
def a_bucket_with_objects_is_not_deleted():
    bucket = new_bucket()
    put(bucket, "key")
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=bucket)
    same(get(bucket, "key"), b"x")


@step
def the_force_header_empties_a_bucket_and_deletes_it():
    bucket = new_bucket()
    for n in range(5):
        put(bucket, f"folder/{n}", pattern(1000, n))
    forcing = client()
    forcing.meta.events.register("before-call.s3.DeleteBucket",
                                 lambda params, **_: params["headers"].update({"x-zas-force-delete": "true"}))
    forcing.delete_bucket(Bucket=bucket)
    refused(None, 404, s3.head_bucket, Bucket=bucket)


@step
def the_tags_of_a_bucket_are_kept_until_they_are_removed():
    bucket, tags = new_bucket(), [{"Key": "team", "Value": "a b"}, {"Key": "cost", "Value": ""}]
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    same(s3.get_bucket_tagging(Bucket=bucket)["TagSet"], tags)
    refused("InvalidTag", 400, s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": tags + tags})
    s3.delete_bucket_tagging(Bucket=bucket)
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)


@step
def a_browser_is_told_what_the_rules_of_a_bucket_allow():
    bucket = new_bucket()
    put(bucket, "key")
    rule = {"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    same(s3.get_bucket_cors(Bucket=bucket)["CORSRules"], [rule])
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT"}
    status, headers, _ = http("OPTIONS", f"{ENDPOINT}/{bucket}/key", headers=asked)
    same((status, headers["Access-Control-Allow-Origin"]), (200, "https://app.example.com"))
    status, headers, _ = http("OPTIONS", f"{ENDPOINT}/{bucket}/key", headers={**asked, "Origin": "https://elsewhere.example"})
    same((status, headers["Access-Control-Allow-Origin"]), (403, None))
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"}, ExpiresIn=300)
    status, headers, body = http("GET", url, headers={"Origin": "https://app.example.com"})
    same((status, headers["Access-Control-Expose-Headers"], body), (200, "ETag", b"x"))
    s3.delete_bucket_cors(Bucket=bucket)
    same(http("OPTIONS", f"{ENDPOINT}/{bucket}/key", headers=asked)[0], 403)


@step
def a_public_policy_is_refused_where_public_access_is_blocked():
    bucket = new_bucket()
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                                                                 "Resource": f"arn:aws:s3:::{bucket}/*"}]})
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    same(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"], block)
    refused("AccessDenied", 403, s3.put_bucket_policy, Bucket=bucket, Policy=policy)
    s3.delete_public_access_block(Bucket=bucket)
    refused("NoSuchPublicAccessBlockConfiguration", 404, s3.get_public_access_block, Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


@step
def a_bucket_tells_a_webhook_what_happens_to_its_objects():
    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    receiver = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    bucket, target = new_bucket(), f"tour-{uuid.uuid4().hex[:12]}"
    events = [{"Id": "all", "Events": ["s3:ObjectCreated:*"], "QueueArn": f"arn:zas:webhook:::{target}",
               "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}}]
    configuration = {"QueueConfigurations": events}
    notify = dict(Bucket=bucket, NotificationConfiguration=configuration)
    refused("InvalidArgument", 400, s3.put_bucket_notification_configuration, **notify)
    url = f"http://127.0.0.1:{receiver.server_port}/"
    same(manage("PUT", f"event-targets/{target}", {"url": url}), 200)
    s3.put_bucket_notification_configuration(**notify)
    same(got.pop()["Event"], "s3:TestEvent")
    same(s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"], events)
    put(bucket, "out/key")
    put(bucket, "in/key", b"abc")
    deadline = time.monotonic() + 30
    while not got and time.monotonic() < deadline:
        time.sleep(0.1)
    records = [record for body in got for record in body["Records"]]
    same([(r["eventName"], r["s3"]["object"]["key"]) for r in records], [("ObjectCreated:Put", "in/key")])
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    same(manage("DELETE", f"event-targets/{target}"), 204)
    receiver.shutdown()


@step
def what_tools_ask_of_a_new_bucket_is_answered_as_aws_answers_it():
    # What Terraform's aws_s3_bucket reads, and more.
    bucket = new_bucket()
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    same([grant["Permission"] for grant in grants], ["FULL_CONTROL"])
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    refused("AccessControlListNotSupported", 400, s3.put_bucket_acl, Bucket=bucket, ACL="public-read")
    ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    same(ownership, {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    for code, function in [
        ("NoSuchBucketPolicy", s3.get_bucket_policy),
        ("NoSuchCORSConfiguration", s3.get_bucket_cors),
        ("NoSuchWebsiteConfiguration", s3.get_bucket_website),
        ("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration),
        ("ReplicationConfigurationNotFoundError", s3.get_bucket_replication),
        ("ServerSideEncryptionConfigurationNotFoundError", s3.get_bucket_encryption),
        ("ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration),
        ("NoSuchTagSet", s3.get_bucket_tagging),
    ]:
        refused(code, 404, function, Bucket=bucket)
    for function in [s3.get_bucket_versioning, s3.get_bucket_accelerate_configuration, s3.get_bucket_logging,
                     s3.get_bucket_notification_configuration]:
        same(sorted(function(Bucket=bucket)), ["ResponseMetadata"])
    same(s3.get_bucket_request_payment(Bucket=bucket)["Payer"], "BucketOwner")
    for function in [s3.list_bucket_analytics_configurations, s3.list_bucket_inventory_configurations,
                     s3.list_bucket_metrics_configurations]:
        same(function(Bucket=bucket)["IsTruncated"], False)


@step
def access_control_lists_count_where_the_ownership_of_a_bucket_lets_them():
    bucket = f"tour-{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    everybody = "http://acs.amazonaws.com/groups/global/AllUsers"
    put(bucket, "open", b"open", ACL="public-read")
    put(bucket, "shut", b"shut")
    same(http("GET", f"{ENDPOINT}/{bucket}/open")[::2], (200, b"open"))
    same(http("GET", f"{ENDPOINT}/{bucket}/shut")[0], 403)
    policy = s3.get_object_acl(Bucket=bucket, Key="open")
    same([(grant["Permission"], grant["Grantee"].get("URI")) for grant in policy["Grants"]],
         [("READ", everybody), ("FULL_CONTROL", None)])
    written = {"Owner": policy["Owner"], "Grants": policy["Grants"]}
    s3.put_object_acl(Bucket=bucket, Key="shut", AccessControlPolicy=written)
    same(http("GET", f"{ENDPOINT}/{bucket}/shut")[0], 200)
    s3.put_bucket_acl(Bucket=bucket, GrantRead=f'uri="{everybody}"', GrantFullControl=f'id="{policy["Owner"]["ID"]}"')
    same(http("GET", f"{ENDPOINT}/{bucket}?list-type=2")[0], 200)
    refused("UnresolvableGrantByEmailAddress", 400, s3.put_bucket_acl, Bucket=bucket, GrantRead="emailAddress=a@b.example")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    refused("InvalidBucketAclWithObjectOwnership", 400, s3.put_bucket_ownership_controls, Bucket=bucket,
            OwnershipControls=enforced)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True, "IgnorePublicAcls": True})
    refused("AccessDenied", 403, s3.put_object_acl, Bucket=bucket, Key="open", ACL="public-read")
    same(http("GET", f"{ENDPOINT}/{bucket}/open")[0], 403)
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)
    refused("AccessControlListNotSupported", 400, s3.put_object_acl, Bucket=bucket, Key="open", ACL="public-read")


# --- objects ---------------------------------------------------------------------------------------------------------

@step
def an_object_comes_back_as_it_was_put():
    bucket, body = new_bucket(), pattern(70_000)
    etag = put(bucket, "folder/key", body)["ETag"]
    same(etag, f'"{hashlib.md5(body).hexdigest()}"')
    found = s3.get_object(Bucket=bucket, Key="folder/key")
    same(found["Body"].read(), body)
    same((found["ETag"], found["ContentLength"]), (etag, len(body)))
    head = s3.head_object(Bucket=bucket, Key="folder/key")
    same((head["ETag"], head["ContentLength"]), (etag, len(body)))
    age = datetime.datetime.now(datetime.timezone.utc) - head["LastModified"]
    check(abs(age.total_seconds()) < 3600, f"last modified {head['LastModified']}")


@step
def an_empty_object_is_an_object():
    bucket = new_bucket()
    put(bucket, "empty", b"")
    same(get(bucket, "empty"), b"")
    same(s3.head_object(Bucket=bucket, Key="empty")["ContentLength"], 0)


@step
def a_second_put_replaces_the_object():
    bucket = new_bucket()
    put(bucket, "key", pattern(5000), Metadata={"a": "1"})
    put(bucket, "key", b"short")
    same(get(bucket, "key"), b"short")
    same(s3.head_object(Bucket=bucket, Key="key")["Metadata"], {})


@step
def metadata_and_headers_are_kept():
    bucket = new_bucket()
    headers = {"ContentType": "text/x-tour", "ContentEncoding": "identity", "ContentLanguage": "de",
               "ContentDisposition": 'attachment; filename="a b"', "CacheControl": "max-age=60"}
    put(bucket, "key", b"x", Metadata={"colour": "blue", "two-words": "a b"},
        Expires=datetime.datetime(2031, 2, 3, 4, 5, 6), **headers)
    for found in (s3.head_object(Bucket=bucket, Key="key"), s3.get_object(Bucket=bucket, Key="key")):
        same({name: found.get(name) for name in headers}, headers)
        same(found["Metadata"], {"colour": "blue", "two-words": "a b"})
        same(found["ResponseMetadata"]["HTTPHeaders"].get("expires"), "Mon, 03 Feb 2031 04:05:06 GMT")


@step
def keys_may_hold_any_character():
    bucket = new_bucket()
    keys = ["a b", "a+b", "a%20b", "ü/€/😀", "q?x=1&y=2#z", "<tag attr='x\"'>&amp;", "~._-!*'()", "trailing/", "a//b", "@:,;=$"]
    for key in keys:
        put(bucket, key, key.encode())
    for key in keys:
        same(get(bucket, key), key.encode())
    same([found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]], sorted(keys, key=lambda key: key.encode()))


@step
def a_missing_object_is_not_found():
    bucket = new_bucket()
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="missing")
    refused(None, 404, s3.head_object, Bucket=bucket, Key="missing")
    refused("NoSuchBucket", 404, s3.get_object, Bucket=f"tour-missing-{uuid.uuid4().hex[:8]}", Key="missing")


@step
def a_key_above_1024_bytes_is_refused():
    bucket = new_bucket()
    put(bucket, "k" * 1024)
    refused("KeyTooLongError", 400, put, bucket, "k" * 1025)


@step
def a_deleted_object_is_gone_and_deleting_it_again_succeeds():
    bucket = new_bucket()
    put(bucket, "key")
    same(s3.delete_object(Bucket=bucket, Key="key")["ResponseMetadata"]["HTTPStatusCode"], 204)
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="key")
    same(s3.delete_object(Bucket=bucket, Key="key")["ResponseMetadata"]["HTTPStatusCode"], 204)


@step
def many_objects_are_deleted_at_once():
    bucket = new_bucket()
    keys = [f"n/{n} &<>" for n in range(20)]
    for key in keys:
        put(bucket, key)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in [*keys[:15], "missing"]]})
    same(sorted(found["Key"] for found in answer["Deleted"]), sorted([*keys[:15], "missing"]))
    same(answer.get("Errors", []), [])
    same([found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]], sorted(keys[15:]))
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": keys[15]}], "Quiet": True})
    same(quiet.get("Deleted", []), [])


# --- reading ---------------------------------------------------------------------------------------------------------

@step
def ranges_give_their_bytes():
    bucket, body = new_bucket(), pattern(100_000)
    put(bucket, "key", body)
    for asked, expected in [("bytes=0-9", body[:10]), ("bytes=99990-", body[99990:]), ("bytes=-5", body[-5:]),
                            ("bytes=50000-60000", body[50000:60001]), ("bytes=99999-200000", body[99999:])]:
        found = s3.get_object(Bucket=bucket, Key="key", Range=asked)
        same(found["ResponseMetadata"]["HTTPStatusCode"], 206)
        same(found["Body"].read(), expected)
        same(found["ContentLength"], len(expected))
        check(found["ContentRange"].endswith("/100000"), found["ContentRange"])
    same(s3.head_object(Bucket=bucket, Key="key", Range="bytes=0-9")["ContentLength"], 10)


@step
def a_range_beyond_the_end_is_refused():
    bucket = new_bucket()
    put(bucket, "key", b"0123456789")
    refused("InvalidRange", 416, s3.get_object, Bucket=bucket, Key="key", Range="bytes=10-20")


@step
def conditions_decide_whether_a_read_answers():
    bucket = new_bucket()
    etag = put(bucket, "key")["ETag"]
    now = datetime.datetime.now(datetime.timezone.utc)
    past, future = now - datetime.timedelta(days=1), now + datetime.timedelta(days=1)
    for read in (s3.get_object, s3.head_object):
        head = read.__name__ == "head_object"
        key = {"Bucket": bucket, "Key": "key"}
        read(**key, IfMatch=etag)
        read(**key, IfNoneMatch='"other"')
        read(**key, IfModifiedSince=past)
        read(**key, IfUnmodifiedSince=future)
        refused(None if head else "PreconditionFailed", 412, read, **key, IfMatch='"other"')
        refused(None, 304, read, **key, IfNoneMatch=etag)
        refused(None if head else "PreconditionFailed", 412, read, **key, IfUnmodifiedSince=past)
        # An ETag that matches outweighs the time (RFC 9110, 13.2.2).
        read(**key, IfMatch=etag, IfUnmodifiedSince=past)


@step
def the_reader_may_override_response_headers():
    bucket = new_bucket()
    put(bucket, "key", b"x", ContentType="text/plain")
    found = s3.get_object(Bucket=bucket, Key="key", ResponseContentType="application/x-other",
                          ResponseContentDisposition="inline", ResponseCacheControl="no-store")
    same((found["ContentType"], found["ContentDisposition"], found["CacheControl"]), ("application/x-other", "inline", "no-store"))


# --- listing ---------------------------------------------------------------------------------------------------------

def filled():
    bucket = new_bucket()
    keys = sorted([f"a/{n:02}" for n in range(12)] + [f"b/c/{n}" for n in range(5)] + ["b/x", "top", "z z/ü"])
    for key in keys:
        put(bucket, key, key.encode())
    return bucket, keys


@step
def a_listing_gives_every_key_in_order_by_pages():
    bucket, keys = filled()
    for operation, most in (("list_objects_v2", 7), ("list_objects", 7), ("list_objects_v2", 1)):
        pages = list(s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": most}))
        same([found["Key"] for page in pages for found in page.get("Contents", [])], keys)
        check(all(len(page.get("Contents", [])) <= most for page in pages))
        same([page["IsTruncated"] for page in pages], [True] * (len(pages) - 1) + [False])
    entry = s3.list_objects_v2(Bucket=bucket, Prefix="top")["Contents"][0]
    same((entry["ETag"], entry["Size"]), (f'"{hashlib.md5(b"top").hexdigest()}"', 3))


@step
def a_delimiter_folds_keys_into_prefixes():
    bucket, keys = filled()
    for operation in ("list_objects_v2", "list_objects"):
        for size in (1000, 2, 1):
            pages = list(s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}))
            same([found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])], ["a/", "b/", "z z/"])
            same([found["Key"] for page in pages for found in page.get("Contents", [])], ["top"])
        inner = getattr(s3, operation)(Bucket=bucket, Prefix="b/", Delimiter="/")
        same([found["Prefix"] for found in inner["CommonPrefixes"]], ["b/c/"])
        same([found["Key"] for found in inner["Contents"]], ["b/x"])


@step
def a_listing_starts_after_a_key_and_keeps_to_a_prefix():
    bucket, keys = filled()
    same([found["Key"] for found in s3.list_objects_v2(Bucket=bucket, StartAfter="a/09")["Contents"]], [key for key in keys if key > "a/09"])
    same([found["Key"] for found in s3.list_objects(Bucket=bucket, Marker="b/c/3")["Contents"]], [key for key in keys if key > "b/c/3"])
    same([found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix="a/1")["Contents"]], ["a/10", "a/11"])
    same(s3.list_objects_v2(Bucket=bucket, Prefix="nothing")["KeyCount"], 0)
    same(s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["IsTruncated"], False)


@step
def a_listing_is_url_encoded_on_request():
    bucket, _ = filled()
    found = s3.list_objects_v2(Bucket=bucket, Prefix="z z/", EncodingType="url")
    same(found["EncodingType"], "url")
    key = found["Contents"][0]["Key"]
    check(" " not in key and "ü" not in key, key)
    same(urllib.parse.unquote_plus(key), "z z/ü")


# --- multipart -------------------------------------------------------------------------------------------------------

def upload(bucket, key, parts, **options):
    """Uploads the parts and gives the upload's id and what completing it needs."""
    number = s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]
    done = []
    for n, body in enumerate(parts, 1):
        etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=number, PartNumber=n, Body=body)["ETag"]
        done.append({"PartNumber": n, "ETag": etag})
    return number, done


def complete(bucket, key, number, parts):
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=number, MultipartUpload={"Parts": parts})


@step
def a_multipart_upload_becomes_one_object():
    bucket, parts = new_bucket(), [pattern(PART, 1), pattern(PART + 7, 2), pattern(1000, 3)]
    number, done = upload(bucket, "big", parts, ContentType="text/big", Metadata={"m": "1"})
    same([found["UploadId"] for found in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]], [number])
    same([found["Size"] for found in s3.list_parts(Bucket=bucket, Key="big", UploadId=number)["Parts"]], [len(part) for part in parts])
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="big")
    etag = complete(bucket, "big", number, done)["ETag"]
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    same(etag, f'"{hashlib.md5(digests).hexdigest()}-3"')
    whole = b"".join(parts)
    found = s3.get_object(Bucket=bucket, Key="big")
    check(found["Body"].read() == whole, "other bytes")
    same((found["ETag"], found["ContentType"], found["Metadata"]), (etag, "text/big", {"m": "1"}))
    # A range that crosses from part to part.
    same(get(bucket, "big", Range=f"bytes={PART - 10}-{PART + 9}"), whole[PART - 10:PART + 10])
    same(get(bucket, "big", Range=f"bytes={PART - 1}-{2 * PART + 7}"), whole[PART - 1:2 * PART + 8])
    same(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [])


@step
def parts_may_be_uploaded_in_any_order_and_again():
    bucket, parts = new_bucket(), [pattern(PART, 1), pattern(PART, 2), b"end"]
    number = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    send = lambda n, body: s3.upload_part(Bucket=bucket, Key="key", UploadId=number, PartNumber=n, Body=body)["ETag"]
    etags = {30: send(30, b"replaced"), 7: send(7, parts[1])}
    etags |= {2: send(2, parts[0]), 30: send(30, parts[2])}
    complete(bucket, "key", number, [{"PartNumber": n, "ETag": etags[n]} for n in (2, 7, 30)])
    check(get(bucket, "key") == b"".join(parts), "other bytes")


@step
def parts_may_be_copied_from_objects():
    bucket, source = new_bucket(), pattern(2 * PART, 9)
    put(bucket, "source ü", source)
    number = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    common = {"Bucket": bucket, "Key": "copy", "UploadId": number, "CopySource": {"Bucket": bucket, "Key": "source ü"}}
    first = s3.upload_part_copy(**common, PartNumber=1, CopySourceRange=f"bytes=100-{PART + 99}")["CopyPartResult"]["ETag"]
    second = s3.upload_part_copy(**common, PartNumber=2)["CopyPartResult"]["ETag"]
    complete(bucket, "copy", number, [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}])
    check(get(bucket, "copy") == source[100:PART + 100] + source, "other bytes")


@step
def a_multipart_upload_that_is_not_right_is_refused():
    bucket = new_bucket()
    number, done = upload(bucket, "key", [pattern(PART, 1), pattern(PART, 2)])
    refused("InvalidPartOrder", 400, complete, bucket, "key", number, done[::-1])
    refused("InvalidPart", 400, complete, bucket, "key", number, [done[0], {"PartNumber": 9, "ETag": done[1]["ETag"]}])
    refused("InvalidPart", 400, complete, bucket, "key", number, [done[0], {"PartNumber": 2, "ETag": '"' + "0" * 32 + '"'}])
    small, parts = upload(bucket, "small", [b"too small", b"end"])
    refused("EntityTooSmall", 400, complete, bucket, "small", small, parts)
    refused("NoSuchUpload", 404, complete, bucket, "key", "no-such-upload", done)
    refused("NoSuchUpload", 404, s3.list_parts, Bucket=bucket, Key="other", UploadId=number)
    refused("InvalidArgument", 400, s3.upload_part, Bucket=bucket, Key="key", UploadId=number, PartNumber=10001, Body=b"x")
    same(complete(bucket, "key", number, done)["Key"], "key")


@step
def an_aborted_upload_is_gone():
    bucket = new_bucket()
    number, done = upload(bucket, "key", [b"part"])
    s3.abort_multipart_upload(Bucket=bucket, Key="key", UploadId=number)
    refused("NoSuchUpload", 404, complete, bucket, "key", number, done)
    refused("NoSuchUpload", 404, s3.abort_multipart_upload, Bucket=bucket, Key="key", UploadId="no-such-upload")
    same(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [])


@step
def a_transfer_in_parallel_parts_comes_back_whole():
    bucket, body = new_bucket(), pattern(17 * 1024 * 1024 + 3)
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=config)
    back = io.BytesIO()
    s3.download_fileobj(bucket, "big", back, Config=config)
    check(back.getvalue() == body, "other bytes")
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy", Config=config)
    check(get(bucket, "copy") == body, "the copy has other bytes")


# --- copies ----------------------------------------------------------------------------------------------------------

@step
def a_copy_keeps_metadata_unless_told_to_replace_it():
    bucket, other, body = new_bucket(), new_bucket(), pattern(3000)
    put(bucket, "from ü&", body, ContentType="text/a", Metadata={"k": "v"})
    source = {"Bucket": bucket, "Key": "from ü&"}
    result = s3.copy_object(Bucket=other, Key="kept", CopySource=source)["CopyObjectResult"]
    same(result["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
    kept = s3.get_object(Bucket=other, Key="kept")
    same((kept["Body"].read(), kept["ContentType"], kept["Metadata"]), (body, "text/a", {"k": "v"}))
    s3.copy_object(Bucket=other, Key="replaced", CopySource=source, MetadataDirective="REPLACE", ContentType="text/b", Metadata={"n": "w"})
    replaced = s3.head_object(Bucket=other, Key="replaced")
    same((replaced["ContentType"], replaced["Metadata"]), ("text/b", {"n": "w"}))
    s3.delete_object(Bucket=bucket, Key="from ü&")
    same(get(other, "kept"), body)


@step
def a_copy_that_cannot_be_is_refused():
    bucket = new_bucket()
    etag = put(bucket, "key")["ETag"]
    refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key="key", CopySource={"Bucket": bucket, "Key": "key"})
    refused("NoSuchKey", 404, s3.copy_object, Bucket=bucket, Key="new", CopySource={"Bucket": bucket, "Key": "missing"})
    source = {"Bucket": bucket, "Key": "key"}
    refused("PreconditionFailed", 412, s3.copy_object, Bucket=bucket, Key="new", CopySource=source, CopySourceIfMatch='"other"')
    refused("PreconditionFailed", 412, s3.copy_object, Bucket=bucket, Key="new", CopySource=source, CopySourceIfNoneMatch=etag)
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="new")


# --- integrity -------------------------------------------------------------------------------------------------------

def b64(number, size):
    return base64.b64encode(number.to_bytes(size, "big")).decode()


ALGORITHMS = {
    "CRC32": lambda body: b64(zlib.crc32(body), 4),
    "CRC32C": lambda body: b64(crt.crc32c(body), 4),
    "CRC64NVME": lambda body: b64(crt.crc64nvme(body), 8),
    "SHA1": lambda body: base64.b64encode(hashlib.sha1(body).digest()).decode(),
    "SHA256": lambda body: base64.b64encode(hashlib.sha256(body).digest()).decode(),
}


@step
def every_checksum_is_computed_kept_and_given_back():
    bucket, body = new_bucket(), pattern(12_345)
    for name, compute in ALGORITHMS.items():
        field = f"Checksum{name}"
        same(put(bucket, name, body, ChecksumAlgorithm=name).get(field), compute(body))
        same(s3.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED").get(field), compute(body))
        found = s3.get_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")
        same((found.get(field), found["Body"].read()), (compute(body), body))


@step
def a_wrong_checksum_is_refused_and_nothing_is_kept():
    bucket = new_bucket()
    for name, compute in ALGORITHMS.items():
        refused(None, 400, put, bucket, name, b"body", **{f"Checksum{name}": compute(b"other")})
        refused(None, 404, s3.head_object, Bucket=bucket, Key=name)
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    refused("BadDigest", 400, put, bucket, "md5", b"body", ContentMD5=md5)
    refused("InvalidDigest", 400, put, bucket, "md5", b"body", ContentMD5="bm90IGFuIE1ENQ==")
    refused(None, 404, s3.head_object, Bucket=bucket, Key="md5")


@step
def parts_carry_checksums_too():
    bucket, parts = new_bucket(), [pattern(PART, 1), b"end"]
    number = s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm="SHA256")["UploadId"]
    done = []
    for n, body in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=bucket, Key="key", UploadId=number, PartNumber=n, Body=body, ChecksumAlgorithm="SHA256")
        same(answer["ChecksumSHA256"], ALGORITHMS["SHA256"](body))
        done.append({"PartNumber": n, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    refused(None, 400, s3.upload_part, Bucket=bucket, Key="key", UploadId=number, PartNumber=3, Body=b"x",
            ChecksumSHA256=ALGORITHMS["SHA256"](b"y"))
    whole = complete(bucket, "key", number, done)["ChecksumSHA256"]
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    same(whole, base64.b64encode(hashlib.sha256(digests).digest()).decode() + "-2")


def put_with_trailer(bucket, key, body, checksum):
    """What SDKs send by TLS, where the payload is not signed: chunks, and the checksum after them."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (body[:65536], body[65536:]) if chunk)
    data = chunks + b"0\r\nx-amz-checksum-crc32:" + checksum.encode() + b"\r\n\r\n"
    request = AWSRequest("PUT", f"{ENDPOINT}/{bucket}/{key}", data=data, headers={
        "Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(len(body)),
        "X-Amz-Trailer": "x-amz-checksum-crc32", "Content-Length": str(len(data))})
    request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    S3SigV4Auth(s3._request_signer._credentials, "s3", "us-east-1").add_auth(request)
    check(request.headers["X-Amz-Content-SHA256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    return http("PUT", request.url, data, dict(request.headers))


@step
def a_checksum_in_the_trailer_is_verified():
    bucket, body = new_bucket(), pattern(70_000)
    status, _, told = put_with_trailer(bucket, "right", body, ALGORITHMS["CRC32"](body))
    check(status == 200, f"{status} {told}")
    found = s3.get_object(Bucket=bucket, Key="right", ChecksumMode="ENABLED")
    same((found["ChecksumCRC32"], found["Body"].read()), (ALGORITHMS["CRC32"](body), body))
    check("aws-chunked" not in found.get("ContentEncoding", ""), "aws-chunked is how it came, not what it is")
    same(put_with_trailer(bucket, "wrong", body, ALGORITHMS["CRC32"](b"other"))[0], 400)
    refused(None, 404, s3.head_object, Bucket=bucket, Key="wrong")


# --- presigned URLs and signatures -----------------------------------------------------------------------------------

@step
def presigned_urls_open_one_operation_each():
    bucket, body = new_bucket(), pattern(2000)
    url = lambda operation: s3.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": "a b/ü+&"}, ExpiresIn=300)
    same(http("PUT", url("put_object"), body)[0], 200)
    same(http("GET", url("get_object"))[::2], (200, body))
    status, headers, _ = http("HEAD", url("head_object"))
    same((status, headers["Content-Length"]), (200, str(len(body))))
    same(http("PUT", url("get_object"), b"x")[0], 403)
    same(http("DELETE", url("delete_object"))[0], 204)
    same(http("GET", url("get_object"))[0], 404)


@step
def a_presigned_url_that_was_changed_or_is_over_is_refused():
    bucket = new_bucket()
    put(bucket, "key")
    put(bucket, "other")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"}, ExpiresIn=300)
    status, _, body = http("GET", url.replace("/key?", "/other?"))
    check(status == 403 and b"SignatureDoesNotMatch" in body, f"{status} {body}")
    over = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"}, ExpiresIn=1)
    time.sleep(3)
    status, _, body = http("GET", over)
    check(status == 403 and b"AccessDenied" in body, f"{status} {body}")


@step
def a_header_that_was_not_signed_has_no_effect_on_a_presigned_put():
    bucket = new_bucket()
    put(bucket, "secret", b"secret")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "mine"}, ExpiresIn=300)
    status, _, _ = http("PUT", url, b"", {"x-amz-copy-source": f"/{bucket}/secret"})
    check(status in (400, 403), f"accepted with {status}")
    refused(None, 404, s3.head_object, Bucket=bucket, Key="mine")


def post_form(form, body, **changes):
    boundary, fields = uuid.uuid4().hex, {**form["fields"], **changes}
    head = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file.bin"\r\n\r\n'
    data = head.encode() + body + f"\r\n--{boundary}--\r\n".encode()
    return http("POST", form["url"], data, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


@step
def a_form_of_generate_presigned_post_puts_what_its_policy_allows_and_nothing_else():
    bucket, body = new_bucket(), pattern(300_000)
    form = s3.generate_presigned_post(
        bucket, "user/${filename}", Fields={"Content-Type": "image/png", "success_action_status": "201"},
        Conditions=[{"Content-Type": "image/png"}, {"success_action_status": "201"}, ["content-length-range", 1, len(body)]],
        ExpiresIn=300)
    status, headers, told = post_form(form, body)
    check(status == 201 and b"<Key>user/file.bin</Key>" in told, f"{status} {told}")
    found = s3.get_object(Bucket=bucket, Key="user/file.bin")
    same((found["ContentType"], found["ETag"], found["Body"].read()), ("image/png", headers["ETag"], body))
    for code, content, changes in [("EntityTooLarge", body + b"x", {}), ("EntityTooSmall", b"", {}),
                                   ("AccessDenied", body, {"key": "other"}), ("AccessDenied", body, {"Content-Type": "text/html"}),
                                   ("AccessDenied", body, {"x-amz-meta-a": "b"}), ("SignatureDoesNotMatch", body, {"policy": "e30="})]:
        status, _, told = post_form(form, content, **changes)
        check(status in (400, 403) and f"<Code>{code}</Code>".encode() in told, f"{code} {changes}: {status} {told}")
    same([found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]], ["user/file.bin"])


@step
def wrong_keys_are_refused():
    bucket = new_bucket()
    credentials = s3._request_signer._credentials
    refused("SignatureDoesNotMatch", 403, client(aws_access_key_id=credentials.access_key, aws_secret_access_key="wrong").list_buckets)
    refused("InvalidAccessKeyId", 403, client(aws_access_key_id="AKIANOSUCHKEY", aws_secret_access_key="wrong").list_buckets)
    same(http("GET", f"{ENDPOINT}/{bucket}/key")[0], 403)


if __name__ == "__main__":
    sys.exit(run())
