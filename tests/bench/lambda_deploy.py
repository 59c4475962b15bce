"""Deploys to Lambda, against the stand-in for AWS (tests/aws): which calls are made, and what squad itself needs.

The stand-in records each call with the moment at which it had the whole request (`began`) and the one at which it
answered (`ended`), in milliseconds of the same clock. From these alone:

- *rounds*: the longest chain of calls in which each began after the one before it had ended. Calls that do not depend
  on one another and go out at once are one round, so rounds × latency is the shortest time that the calls can take.
- *own time*: the command's wall time less the time during which at least one call was under way. Connecting, signing,
  sending and reading are squad's own; so are its pauses.
"""

import json
import os
import shutil
import statistics
import subprocess
import time
import urllib.request

from figures import figure, result
from lambda_package import tree
from tools import SQUAD, TARGET, Missing, cargo, peer, wait_until

ACCOUNT, REGION, KEY = "123456789012", "eu-west-1", "AKIASTANDIN000000001"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/receipts"
LATENCY = 50
RUNS = 9


def stand_in():
    """As the tests have it; what it needs for a call is the call's time, so that it may be slow."""
    if not cargo("build", "--example", "aws-stand-in"):
        raise Missing("the example aws-stand-in does not build")
    return os.path.join(TARGET, "debug/examples/aws-stand-in")


class Cloud:
    """A stand-in, and an org with one environment in it."""

    def __init__(self, workplace, name):
        program = stand_in()
        self.workplace = workplace
        # It ends when its standard input is closed.
        self.process = subprocess.Popen([program], env=workplace.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        workplace.processes.append(self.process)
        self.address = self.process.stdout.readline().decode().split()[1]
        self.place = os.path.join(workplace.work, name)
        self.directory = os.path.join(self.place, "receipts")
        os.makedirs(os.path.join(self.place, "org"))
        with open(os.path.join(self.place, "org/org.toml"), "w", encoding="utf-8") as file:
            file.write(f'schema = 1\n[org]\nname = "acme"\n[env.cloud]\nplatform = "lambda"\naccount = "{ACCOUNT}"\n'
                       f'region = "{REGION}"\naudit = "../store"\n')
        self.env = {
            **workplace.env,
            "AWS_ENDPOINT_URL": self.address, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "stand-in-secret-key",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "SQUAD_ORG": os.path.join(self.place, "org"), "SQUAD_ENV": "cloud",
            "XDG_STATE_HOME": os.path.join(self.place, "state"), "XDG_CACHE_HOME": os.path.join(self.place, "cache"),
        }

    def control(self, method, path, body=None):
        request = urllib.request.Request(f"{self.address}/_control/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def sources(self, answer):
        """The service's own files, in git."""
        write(self.directory, "squad.toml",
              'schema = 1\n[service]\nname = "receipts"\nkind = "function"\n[build]\nartifact = "src"\n[function]\n'
              f'runtime = "python3.13"\nhandler = "handler.handler"\nrole = "{ROLE}"\nmemory_mb = 128\n'
              'timeout = "5s"\narchitecture = "x86_64"\n')
        write(self.directory, "src/handler.py", f"def handler(event, context):\n    return {answer!r}\n")
        self.workplace.commit(self.directory, f"Answer {answer}")

    def run(self, *command):
        """Milliseconds of a command, the calls it made, and when it began in milliseconds since 1970."""
        # squad makes so many calls each second on one machine and no more: nobody's are left over from before.
        time.sleep(1.1)
        self.control("DELETE", "calls")
        started, clock = time.time() * 1000, time.perf_counter()
        done = subprocess.run(command, env=self.env, cwd=self.directory, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        took = (time.perf_counter() - clock) * 1000
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        return took, self.control("GET", "calls")["calls"], started

    def squad(self, *arguments):
        return self.run(SQUAD, *arguments, "--yes")

    def settle(self, **settings):
        self.control("PUT", "settings", settings)

    def alias(self):
        return self.control("GET", "functions/receipts")["aliases"].get("live", {})


def write(directory, path, text):
    path = os.path.join(directory, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def rounds(calls):
    """The longest chain of calls each of which began after the one before had ended."""
    count, end = 0, -1
    for call in sorted(calls, key=lambda call: call["ended"]):
        # A call that follows another one comes after its answer, in the same millisecond at the earliest.
        if call["began"] >= end:
            count, end = count + 1, call["ended"]
    return count


def under_way(calls):
    """Milliseconds during which at least one call was under way."""
    total, until = 0, 0
    for call in sorted(calls, key=lambda call: call["began"]):
        total += max(0, call["ended"] - max(call["began"], until))
        until = max(until, call["ended"])
    return total


def names(calls):
    return sorted(call["operation"] for call in calls)


def aws(cloud, *arguments):
    """A call of the AWS command line."""
    return cloud.run(peer("awscli", "aws"), *arguments, "--output", "json")


READS = [
    ("sts", "get-caller-identity"),
    ("lambda", "get-alias", "--function-name", "receipts", "--name", "live"),
    ("lambda", "get-function", "--function-name", "receipts", "--qualifier", "live"),
]


@figure("lambda deploy: nothing to do")
def nothing(workplace):
    cloud = Cloud(workplace, "nothing")
    cloud.sources("one")
    cloud.squad("deploy")
    cloud.settle(latency_ms=LATENCY)
    times, made, chains, own = [], [], [], []
    for _ in range(RUNS):
        took, calls, _ = cloud.squad("deploy")
        times.append(took)
        made.append(len(calls))
        chains.append(rounds(calls))
        own.append(took - under_way(calls))
    operations = ", ".join(names(calls))
    try:
        others = [sum(aws(cloud, *read)[0] for read in READS) for _ in range(2)]
        loop = ("aws, the same three reads", min(others))
    except Missing as missing:
        loop = (str(missing), None)
    yield result("lambda deploy: nothing to do, calls", max(made), "calls", peer=(operations, None), at_most=4)
    yield result("lambda deploy: nothing to do, rounds of calls", max(chains), "rounds", at_most=1)
    path = statistics.median(chains) * LATENCY
    yield result(f"lambda deploy: nothing to do, {LATENCY} ms for each call", statistics.median(times), "ms",
                 peer=loop, at_most=1.2 * path + 30)
    yield result("lambda deploy: nothing to do, outside calls", statistics.median(own), "ms", at_most=0.2 * path + 30)


@figure("lambda deploy: own time, zip of 5 MB")
def change(workplace):
    cloud = Cloud(workplace, "change")
    tree(os.path.join(cloud.directory, "src"))
    cloud.sources("zero")
    # What AWS does between a write and its end is not what is measured.
    cloud.settle(settle_ms=0)
    cloud.squad("deploy")
    own, total, writes = [], [], 0
    for number in range(5):
        cloud.sources(str(number))
        took, calls, _ = cloud.squad("deploy")
        own.append(took - under_way(calls))
        total.append(took)
        writes = sum(call["operation"] == "UpdateAlias" for call in calls)
    size = cloud.control("GET", "functions/receipts")["latest"]["CodeSize"] / 1e6
    yield result("lambda deploy: own time, zip of 5 MB", statistics.median(own), f"ms ({size:.1f} MB)",
                 peer=by_hand(cloud), at_most=150)
    yield result("lambda deploy: alias writes", writes, "writes", at_most=1)


def by_hand(cloud):
    """The loop that people write: zip, send, wait, publish, point the alias at it."""
    archive = os.path.join(cloud.place, "by-hand")
    own = []
    try:
        for number in range(2):
            cloud.sources(f"by hand {number}")
            clock = time.perf_counter()
            shutil.make_archive(archive, "zip", os.path.join(cloud.directory, "src"))
            took = (time.perf_counter() - clock) * 1000
            name = ("--function-name", "receipts")
            # Version 1 is pruned by now; which one the alias points to costs the same.
            there = cloud.alias()["FunctionVersion"]
            for step in [
                ("lambda", "update-function-code", *name, "--zip-file", f"fileb://{archive}.zip"),
                ("lambda", "wait", "function-updated", *name),
                ("lambda", "publish-version", *name),
                ("lambda", "update-alias", *name, "--name", "live", "--function-version", there),
            ]:
                step_took, calls, _ = aws(cloud, *step)
                took += step_took - under_way(calls)
            own.append(took)
    except Missing as missing:
        return str(missing), None
    return "zip and four calls of aws", min(own)


def braked(cloud, command, wanted):
    """Milliseconds until the alias was back by the stand-in's record; the rounds up to then, and the alias's writes of the
    whole command."""
    _, calls, started = cloud.squad(*command)
    alias = cloud.alias()
    if alias["FunctionVersion"] != wanted or alias.get("RoutingConfig", {}).get("AdditionalVersionWeights"):
        raise RuntimeError(f"after {' '.join(command)}: {alias}")
    writes = [call for call in calls if call["operation"] in ("UpdateAlias", "CreateAlias") and call["status"] == 200]
    back = next(number for number, call in enumerate(writes) if has_all(call, wanted))
    ended = writes[back]["ended"]
    if any(not has_all(call, wanted) for call in writes[back:]):
        raise RuntimeError(f"after {' '.join(command)}, the traffic changed again")
    before = [call for call in calls if call["ended"] <= ended]
    return ended - started, rounds(before), len(writes)


def has_all(call, version):
    """Whether a write of the alias gives all traffic to a version."""
    routing = call["parameters"].get("RoutingConfig") or {}
    return call["parameters"]["FunctionVersion"] == version and not routing.get("AdditionalVersionWeights")


def brakes(name, results, cloud):
    times, chains, writes = zip(*results)
    path = statistics.median(chains) * LATENCY
    yield result(f"lambda {name}: alias writes", max(writes), "writes", at_most=1)
    yield result(f"lambda {name}: rounds of calls until then", max(chains), "rounds", at_most=3)
    yield result(f"lambda {name}: until the alias is back, {LATENCY} ms for each call", statistics.median(times), "ms",
                 peer=update_alias(cloud), at_most=1.2 * path + 30)


def update_alias(cloud):
    """What the one write costs by hand, for somebody who knows the version by heart."""
    try:
        step = ("lambda", "update-alias", "--function-name", "receipts", "--name", "live", "--function-version", "2",
                "--routing-config", "AdditionalVersionWeights={}")
        return "aws, the write alone", min(aws(cloud, *step)[0] for _ in range(2))
    except Missing as missing:
        return str(missing), None


@figure("lambda stop")
def stop(workplace):
    cloud = Cloud(workplace, "stop")
    os.makedirs(cloud.directory)
    results = []
    for _ in range(3):
        rollout(cloud)
        results.append(braked(cloud, ("stop", "receipts"), "2"))
    yield from brakes("stop", results, cloud)


def rollout(cloud):
    """A rollout of version 3 beside 2, with nobody left who watches it."""
    cloud.control("POST", "reset")
    shutil.rmtree(os.path.join(cloud.place, "state"), ignore_errors=True)
    cloud.control("POST", "functions", {"name": "receipts", "versions": 3, "alias": "live"})
    cloud.squad("rollback", "receipts", "--to", "2")
    minute = int(time.time()) // 60
    cloud.control("POST", "metrics", [
        {"function": "receipts", "alias": "live", "minute": (minute - back) * 60, "invocations": 600, "errors": 1,
         "delay_seconds": 0} for back in range(3, 60)])
    start = [SQUAD, "rollout", "start", "receipts", "--revision", "3", "--again", "--reason", "bench",
             "--steps", "10,50", "--hold", "5m", "--yes"]
    watch = subprocess.Popen(start, env=cloud.env, cwd=cloud.directory, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until("weights", lambda: cloud.alias().get("RoutingConfig", {}).get("AdditionalVersionWeights"))
    finally:
        watch.kill()
        watch.wait()
    cloud.settle(latency_ms=LATENCY)


@figure("lambda rollback")
def rollback(workplace):
    cloud = Cloud(workplace, "rollback")
    cloud.settle(settle_ms=0)
    for number in range(4):
        cloud.sources(str(number))
        cloud.squad("deploy")
    cloud.settle(latency_ms=LATENCY)
    results = [braked(cloud, ("rollback", "receipts"), str(version)) for version in (3, 2, 1)]
    yield from brakes("rollback", results, cloud)
