"""The audit log: what an append costs beside the syncs it needs, that nobody's append is lost, and verifying."""

import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import time

from figures import figure, result
from tools import SQUAD, TARGET, Missing, cargo, say

WRITERS, APPENDS = 8, 50
EVENTS, IN_EACH = 1_000_000, 64


def example(name, *features):
    """One of the programs of tests/bench, in release form."""
    if not cargo("build", "--release", *features, "--example", name):
        raise Missing(f"the example {name} does not build")
    return os.path.join(TARGET, "release/examples", name)


def helper():
    """The program of tests/bench/audit, made of the library's files."""
    return example("audit-bench", "--features", "bench")


def run(*arguments):
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    return json.loads(done.stdout)


def tracer():
    if not cargo("build", "--example", "tracer"):
        raise Missing("the tracer does not build")
    return os.path.join(TARGET, "debug/examples/tracer")


def place(workplace, name):
    """A state directory and a store, fresh."""
    directory = os.path.join(workplace.root, name)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    return os.path.join(directory, "state"), os.path.join(directory, "store")


@figure("audit: append")
def append(workplace):
    program = helper()
    state, store = place(workplace, "append")
    # The syncs of five operations, counted from outside; the first ones make directories and a key. An intent needs more
    # of them than an outcome, so the two are measured together, and the figure is half of that.
    run(program, "append", state, store, 5)
    trace = os.path.join(workplace.root, "append.trace")
    subprocess.run([tracer(), "--trace", trace, "--", program, "append", state, store, "5"],
                   check=True, capture_output=True)
    with open(trace, encoding="utf-8") as file:
        calls = [json.loads(line).get("call", "") for line in file]
    syncs, rest = divmod(sum("sync" in call for call in calls), 5)
    if rest:
        raise RuntimeError(f"five operations have {syncs * 5 + rest} syncs")
    own, raw = [], []
    for _ in range(5):
        own.append(run(program, "append", state, store, 40)["median_ms"] / 2)
        raw.append(run(program, "sync", os.path.join(workplace.root, "sync"), 40, syncs)["median_ms"] / 2)
    own, raw = statistics.median(own), statistics.median(raw)
    yield result("audit: append", own, "ms", peer=(f"its {syncs / 2:g} syncs alone", raw), ratio=own / raw, at_most_times=2)


@figure("audit: 8 writers × 50 appends")
def writers(workplace):
    program = helper()
    _, store = place(workplace, "writers")
    start = time.monotonic()
    # Each writer is a machine of its own: state and key apart, one store.
    running = [
        subprocess.Popen([program, "append", os.path.join(workplace.root, f"writers/state{number}"), store,
                          str(APPENDS // 2)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for number in range(WRITERS)
    ]
    failed = sum(bool(process.communicate()[1]) or process.returncode != 0 for process in running)
    took = time.monotonic() - start
    operations = []
    for path in glob.glob(os.path.join(store, "audit/local/local/commit/*")):
        with open(path, encoding="utf-8", errors="replace") as file:
            operations += re.findall(r'"operation":"([0-9A-Z]{26})"', file.read())
    lost = WRITERS * APPENDS - len(operations) + failed
    yield result("audit: 8 writers × 50 appends, lost", lost, "appends", at_most=0)
    yield result("audit: 8 writers × 50 appends, all of them", took, "s")


def verified(workplace, events, in_each, name, goal):
    program = example("audit_log")
    home = os.path.join(workplace.root, "verify")
    shutil.rmtree(home, ignore_errors=True)
    state = os.path.join(home, "squad")
    store = os.path.join(state, "audit-store")
    say(f"writing {events:,} events, {in_each} in each commit")
    subprocess.run([program, store, str(events), str(in_each)], check=True, capture_output=True)
    size = sum(os.path.getsize(path) for path in glob.glob(os.path.join(store, "audit/local/local/commit/*")))
    env = {**workplace.env, "XDG_STATE_HOME": home}
    command = f"find {store} -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum"
    own, other = [], []
    for _ in range(4):
        start = time.monotonic()
        done = subprocess.run([SQUAD, "audit", "verify", "--env", "local"], env=env, cwd=workplace.work,
                              capture_output=True, text=True, check=False)
        own.append(time.monotonic() - start)
        if "there is no command" in done.stderr:
            raise Missing("this build has no `squad audit`")
        if done.returncode:
            raise RuntimeError(f"verify ended with {done.returncode}: {done.stderr.strip()[:300]}")
        start = time.monotonic()
        subprocess.run(command, shell=True, check=True, capture_output=True)
        other.append(time.monotonic() - start)
    shutil.rmtree(home, ignore_errors=True)
    # The first run of each warms the cache.
    own, other = statistics.median(own[1:]), statistics.median(other[1:])
    peer = (f"sha256sum of the {size / 1e6:.0f} MB", other)
    yield result(name, own, "s", peer=peer, ratio=own / other, at_most_times=goal)


@figure("audit: verify")
def verify(workplace):
    yield from verified(workplace, EVENTS, IN_EACH, "audit: verify 10⁶ events, 64 in each commit", 2)
    yield from verified(workplace, 100_000, 2, "audit: verify 10⁵ events, one for each commit", None)
