"""Sends an S3 server the requests of Terraform: those of its S3 backend, and those that the AWS provider makes for an `aws_s3_bucket`.

Usage: terraform_tour.py resources|versions; endpoint, region and access key are those of the environment.
The provider itself comes from a registry of providers that a machine need not reach; its requests and the error codes that it takes for
"not configured" are those of its source (internal/service/s3/bucket.go). The backend itself runs in `terraform.rs`.
"""

import base64
import hashlib
import json
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.exceptions import ClientError
from tour import STEPS, check, refused, run, same, step

s3 = boto3.client("s3")

# What the provider reads of a bucket in each refresh, in its order: the error code that means "not configured" to it (None: an answer).
READS = [
    ("get_bucket_policy", "NoSuchBucketPolicy"),
    ("get_bucket_acl", None),
    ("get_bucket_cors", "NoSuchCORSConfiguration"),
    ("get_bucket_website", "NoSuchWebsiteConfiguration"),
    ("get_bucket_versioning", None),
    ("get_bucket_accelerate_configuration", None),
    ("get_bucket_request_payment", None),
    ("get_bucket_logging", None),
    ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
    ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
    ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
    ("get_bucket_location", None),
    ("get_bucket_tagging", "NoSuchTagSet"),
]


def new_bucket():
    name = f"terraform-{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=name)
    return name


def refresh(bucket):
    """One refresh: the answers by operation, None where nothing is configured. Any other code would fail the plan."""
    head = s3.head_bucket(Bucket=bucket)
    same(head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region"), "us-east-1")
    found = {}
    for name, code in READS:
        try:
            found[name] = getattr(s3, name)(Bucket=bucket)
            found[name].pop("ResponseMetadata")
        except ClientError as error:
            same((name, error.response["Error"]["Code"]), (name, code))
            found[name] = None
    return found


@step
def of_many_that_lock_a_state_at_once_one_wins():
    bucket, lock = new_bucket(), "env:/other/app.tfstate.tflock"

    def take(writer):
        body = json.dumps({"ID": str(uuid.uuid4()), "Who": writer}).encode()
        try:
            s3.put_object(Bucket=bucket, Key=lock, Body=body, IfNoneMatch="*", ContentType="application/json", ChecksumAlgorithm="SHA256")
            return body
        except ClientError as error:
            # 409 is AWS's word for "at the same moment"; the backend takes both for a lock that is held.
            check(error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412), str(error))
            return None

    with ThreadPoolExecutor(12) as pool:
        for _ in range(3):
            won = [body for body in pool.map(take, range(12)) if body]
            same(len(won), 1)
            # Who lost says who holds it.
            same(s3.get_object(Bucket=bucket, Key=lock)["Body"].read(), won[0])
            refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key=lock, Body=b"{}", IfNoneMatch="*")
            s3.delete_object(Bucket=bucket, Key=lock)
            refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key=lock)


@step
def a_state_is_read_written_and_found_by_its_workspaces():
    bucket, state = new_bucket(), json.dumps({"version": 4, "serial": 1, "resources": []}).encode()
    same(s3.list_objects_v2(Bucket=bucket, Prefix="env:/", MaxKeys=1000).get("Contents", []), [])
    refused(None, 404, s3.head_object, Bucket=bucket, Key="app.tfstate")
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="app.tfstate")
    for key in ["app.tfstate", "env:/other/app.tfstate"]:
        digest = base64.b64encode(hashlib.md5(state).digest()).decode()
        s3.put_object(Bucket=bucket, Key=key, Body=state, ContentMD5=digest, ChecksumAlgorithm="SHA256", ContentType="application/json")
        same(s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")["Body"].read(), state)
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="app.tfstate", Body=state, ContentMD5=wrong)
    same([found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix="env:/")["Contents"]], ["env:/other/app.tfstate"])


@step
def a_bucket_is_applied_refreshed_changed_and_destroyed():
    bucket = f"terraform-{uuid.uuid4().hex[:20]}"
    # Before it makes a bucket the provider looks whether it is there.
    refused(None, 404, s3.head_bucket, Bucket=bucket)
    s3.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced")
    bare = refresh(bucket)
    same([name for name, code in READS if (bare[name] is None) != (code is not None)], [])
    same([grant["Permission"] for grant in bare["get_bucket_acl"]["Grants"]], ["FULL_CONTROL"])
    same(bare["get_bucket_request_payment"], {"Payer": "BucketOwner"})
    check(bare["get_bucket_versioning"].get("Status") is None, str(bare["get_bucket_versioning"]))

    tags = [{"Key": "team", "Value": "a b"}]
    policy = {"Version": "2012-10-17", "Statement": [{"Sid": "read", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                                                      "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://app.example.com"], "MaxAgeSeconds": 60}
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    changed = refresh(bucket)
    same(changed["get_bucket_tagging"]["TagSet"], tags)
    # Another form of the same policy would be planned as a change, again and again.
    same(json.loads(changed["get_bucket_policy"]["Policy"]), policy)
    same(changed["get_bucket_cors"]["CORSRules"], [rule])
    same(refresh(bucket), changed)

    s3.delete_bucket_tagging(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_bucket_cors(Bucket=bucket)
    same(refresh(bucket), bare)
    s3.delete_bucket(Bucket=bucket)
    refused(None, 404, s3.head_bucket, Bucket=bucket)
    refused("NoSuchBucket", 404, s3.delete_bucket, Bucket=bucket)


@step
def the_resources_beside_a_bucket_are_applied_refreshed_and_destroyed():
    bucket = new_bucket()
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    same(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"], block)
    s3.delete_public_access_block(Bucket=bucket)
    refused("NoSuchPublicAccessBlockConfiguration", 404, s3.get_public_access_block, Bucket=bucket)
    ownership = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership)
    same(s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"], ownership)
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    refused("OwnershipControlsNotFoundError", 404, s3.get_bucket_ownership_controls, Bucket=bucket)
    # `aws_s3_object`: put, head with its checksum, tags, delete.
    s3.put_object(Bucket=bucket, Key="a b/file", Body=b"content", Tagging="team=a", ContentType="text/plain")
    head = s3.head_object(Bucket=bucket, Key="a b/file", ChecksumMode="ENABLED")
    same((head["ContentType"], head["ETag"]), ("text/plain", f'"{hashlib.md5(b"content").hexdigest()}"'))
    same(s3.get_object_tagging(Bucket=bucket, Key="a b/file")["TagSet"], [{"Key": "team", "Value": "a"}])
    s3.delete_object(Bucket=bucket, Key="a b/file")
    refused(None, 404, s3.head_object, Bucket=bucket, Key="a b/file")


def a_bucket_with_objects_is_destroyed_by_force_alone():
    bucket = new_bucket()
    for n in range(3):
        s3.put_object(Bucket=bucket, Key=f"key {n}", Body=b"x")
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=bucket)
    # `force_destroy` lists versions, also of a bucket that never had any.
    listed = s3.list_object_versions(Bucket=bucket)
    same([found["VersionId"] for found in listed["Versions"]], ["null"] * 3)
    names = [{"Key": found["Key"], "VersionId": found["VersionId"]} for found in listed["Versions"]]
    same(s3.delete_objects(Bucket=bucket, Delete={"Objects": names, "Quiet": True}).get("Errors", []), [])
    s3.delete_bucket(Bucket=bucket)


if __name__ == "__main__":
    if sys.argv[1] == "versions":
        STEPS[:] = [a_bucket_with_objects_is_destroyed_by_force_alone]
    sys.exit(run())
