"""The size of the binary, and how long building and testing take."""

import os
import subprocess
import tempfile
import time

from figures import figure, result
from tools import CACHE, ROOT, SQUAD, Missing, tool


@figure("binary: size")
def size(_):
    own = os.path.getsize(SQUAD) / 1e6
    try:
        other = ("kubectl", os.path.getsize(os.path.realpath(tool("kubectl"))) / 1e6)
    except Missing as missing:
        other = (str(missing), None)
    yield result("binary: size", own, "MB", peer=other, at_most=40)


@figure("build: clean release build", slow=True)
def clean(_):
    subprocess.run(["cargo", "fetch", "--locked"], cwd=ROOT, check=True, capture_output=True)
    with tempfile.TemporaryDirectory(prefix="sqb") as target:
        start = time.monotonic()
        command = ["cargo", "build", "--release", "--locked", "--quiet", "--bin", "squad", "--target-dir", target]
        subprocess.run(command, cwd=ROOT, check=True)
        took = time.monotonic() - start
    yield result("build: clean release build", took / 60, "min", at_most=8)


@figure("tests/run, warm")
def tests(_):
    path = os.path.join(CACHE, "run-seconds")
    if not os.path.exists(path):
        raise Missing("tests/run has not passed on this machine yet")
    with open(path, encoding="utf-8") as file:
        yield result("tests/run, warm", int(file.read()) / 60, "min", at_most=15)
