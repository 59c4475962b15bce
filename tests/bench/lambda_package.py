"""The package of a function for Lambda: the same bytes from anywhere, and what packing costs."""

import os
import random
import shutil
import statistics
import subprocess
import time
import zipfile

from audit import example
from figures import figure, result

# About 5 MB packed: the sources of Python's own library beside something that hardly shrinks, as shared objects do.
NOISE = 2_600_000
SOURCES = 9_500_000


def tree(directory):
    """A tree whose zip has about 5 MB."""
    library = os.path.dirname(os.__file__)
    taken = 0
    for folder, folders, names in os.walk(library):
        folders[:] = sorted(name for name in folders if name not in ("__pycache__", "site-packages", "test", "tests"))
        for name in sorted(names):
            if name.endswith(".py") and taken < SOURCES:
                path = os.path.join(folder, name)
                target = os.path.join(directory, os.path.relpath(path, library))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copyfile(path, target)
                taken += os.path.getsize(path)
    noise = random.Random(5)
    for number in range(4):
        with open(os.path.join(directory, f"native{number}.so"), "wb") as file:
            file.write(noise.randbytes(NOISE // 4))


def pack(program, directory, cache, env, **options):
    """Milliseconds, bytes, CodeSha256 and digest of the tree."""
    done = subprocess.run([program, directory, cache], env=env, stdout=subprocess.PIPE, check=True, **options)
    milliseconds, size, code, digest = done.stdout.decode().split()
    return float(milliseconds), int(size), code, digest


def peers(directory, target):
    """Name and milliseconds of `zip -X -r`, else of Python's zipfile. Neither gives the same bytes from two checkouts."""
    if shutil.which("zip"):
        started = time.perf_counter()
        subprocess.run(["zip", "-q", "-X", "-r", target + ".zip", "."], cwd=directory, check=True)
        return "zip -X -r", (time.perf_counter() - started) * 1000
    started = time.perf_counter()
    with zipfile.ZipFile(target + ".py.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(folder, name)
                archive.write(path, os.path.relpath(path, directory))
    return "python zipfile", (time.perf_counter() - started) * 1000


@figure("lambda package: own time, zip of 5 MB")
def package(workplace):
    program = example("package-bench", "--features", "bench")
    one = os.path.join(workplace.work, "package/one")
    tree(one)
    first, again, peer = [], [], []
    for number in range(9):
        cache = os.path.join(workplace.work, f"package/cache{number}")
        milliseconds, size, code, _ = pack(program, one, cache, workplace.env)
        first.append(milliseconds)
        again.append(pack(program, one, cache, workplace.env)[0])
        name, milliseconds = peers(one, os.path.join(workplace.work, f"package/peer{number}"))
        peer.append(milliseconds)
    unit = f"ms ({size / 1e6:.1f} MB)"
    own = statistics.median(first)
    yield result("lambda package: own time, zip of 5 MB", own, unit, peer=(name, statistics.median(peer)), at_most=150)
    yield result("lambda package: own time, from the cache", statistics.median(again), unit, at_most=50)


@figure("lambda package: different bytes from other places")
def same(workplace):
    program = example("package-bench", "--features", "bench")
    one = os.path.join(workplace.work, "same/one")
    tree(one)
    codes = set()
    places = [("UTC", 0o022, 1), ("Asia/Kathmandu", 0o077, 2), ("America/St_Johns", 0o002, 3), ("UTC", 0o027, 4)]
    for zone, mask, seed in places:
        directory = os.path.join(workplace.work, f"same/deeper-{seed}/checkout")
        names = [os.path.join(folder, name) for folder, _, names in os.walk(one) for name in names]
        random.Random(seed).shuffle(names)
        old = os.umask(mask)
        try:
            for name in names:
                target = os.path.join(directory, os.path.relpath(name, one))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copyfile(name, target)
                os.utime(target, (seed * 100_000_000, seed * 100_000_000))
        finally:
            os.umask(old)
        cache = os.path.join(workplace.work, f"same/cache-{seed}")
        codes.add(pack(program, directory, cache, {**workplace.env, "TZ": zone}, umask=mask)[2])
    unit = f"of {len(places)} checkouts, umasks and time zones"
    yield result("lambda package: different bytes from other places", len(codes) - 1, unit, at_most=0)
