"""What a tour of a server is made of: steps that all run, and small checks. Which steps there are is the tour's business."""

import hashlib
import time
import traceback
import urllib.error
import urllib.request

from botocore.exceptions import ClientError

STEPS = []


def step(function):
    """Registers a step; its name is the sentence."""
    STEPS.append(function)
    return function


def check(condition, told=""):
    # Not `assert`, which python -O leaves out.
    if not condition:
        raise AssertionError(told)


def same(found, expected):
    check(found == expected, f"found {found!r}, expected {expected!r}")


def refused(code, status, function, *arguments, **options):
    """The call must fail with this S3 error code (None: any; HEAD has no body to carry one) and this HTTP status."""
    try:
        function(*arguments, **options)
    except ClientError as error:
        same(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        if code is not None:
            found = error.response["Error"]["Code"]
            check(found in ([code] if isinstance(code, str) else code), f"found the code {found}, expected {code}")
        return error.response
    raise AssertionError(f"accepted, expected {status} {code}")


def http(method, url, body=None, headers=None):
    """One plain HTTP request: (status, headers, body), whatever the status."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def pattern(size, seed=0):
    """Bytes that differ from place to place, so that a piece in the wrong place is seen."""
    block = b"".join(hashlib.sha256(f"{seed}/{n}".encode()).digest() for n in range(1024))
    return (block * (size // len(block) + 1))[:size]


def run():
    """Runs every step, prints a line each, and gives the exit status."""
    failed = 0
    for function in STEPS:
        sentence = function.__name__.replace("_", " ")
        started = time.monotonic()
        try:
            function()
            print(f"ok   {sentence} ({time.monotonic() - started:.2f} s)", flush=True)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is that step's failure
            failed += 1
            where = traceback.extract_tb(error.__traceback__)
            line = next((frame.lineno for frame in where if frame.name == function.__name__), 0)
            print(f"FAIL {sentence} (line {line}): {type(error).__name__}: {error}", flush=True)
    print(f"{len(STEPS) - failed} steps hold, {failed} do not")
    return 1 if failed else 0
