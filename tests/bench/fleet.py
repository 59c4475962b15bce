"""Status of many functions on Lambda: the stand-in for AWS (`tests/aws`) behind the real SDK, and the AWS CLI as the peer."""

import fcntl
import itertools
import json
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import termios
import time
import urllib.request

from figures import figure, result
from tools import SQUAD, TARGET, cargo, peer, say

ACCOUNT, REGION = "123456789012", "eu-west-1"
# What one answer takes: a short way to AWS.
LATENCY_MS = 50


class Cloud:
    """A stand-in, and an environment of squad that lies there."""

    def __init__(self, workplace, name):
        self.workplace = workplace
        binary = os.path.join(TARGET, "release/examples/aws-stand-in")
        if not os.environ.get("SQUAD_BENCH_NO_BUILD") and not cargo("build", "--release", "--example", "aws-stand-in"):
            raise RuntimeError("tests/aws does not build")
        self.server = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = self.server.stdout.readline().split()[1]
        self.root = os.path.join(workplace.work, name)
        workplace.write(f"{name}/org/org.toml",
                        f'schema = 1\n[org]\nname = "acme"\n[env.cloud]\nplatform = "lambda"\naccount = "{ACCOUNT}"\n'
                        f'region = "{REGION}"\naudit = "../store"\n')
        self.env = {
            **workplace.env,
            "SQUAD_ORG": os.path.join(self.root, "org"), "SQUAD_ENV": "cloud",
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "AKIASTANDIN000000001", "AWS_SECRET_ACCESS_KEY": "stand-in-secret-key",
            "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        self.control("PUT", "settings", {"latency_ms": LATENCY_MS, "quotas": True})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.kill()
        self.server.wait()

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_control/{path}", data=data, method=method)
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def functions(self, count):
        for number in range(1, count + 1):
            name = f"function-{number:04}"
            self.control("POST", "functions", {"name": name, "versions": 1, "alias": "live",
                                               "tags": {"squad.dev/service": name}})
        self.control("DELETE", "calls")

    def machine(self, name):
        """The environment of another machine: its own cache and its own pace."""
        return {**self.env, "XDG_CACHE_HOME": os.path.join(self.root, name, "cache"),
                "XDG_STATE_HOME": os.path.join(self.root, name, "state")}

    def seconds(self, *arguments, env=None, cwd=None):
        start = time.perf_counter()
        done = subprocess.run([SQUAD, *arguments], env=env or self.env, cwd=cwd or self.workplace.work,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"squad {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return time.perf_counter() - start, done.stdout


@figure("fleet: status of 150 functions")
def many(workplace):
    with Cloud(workplace, "many") as cloud:
        cloud.functions(150)
        aws = peer("awscli", "aws")
        env = {**cloud.env, "PATH": os.path.dirname(aws) + ":" + cloud.env["PATH"], "AWS_PAGER": ""}

        def by_hand(number):
            command = [aws, "lambda", "get-function", "--function-name", f"function-{number:04}",
                       "--qualifier", "live", "--output", "json"]
            done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"aws ended with {done.returncode}: {done.stderr.strip()[-300:]}")

        def look(name, *rate):
            took, answer = cloud.seconds("status", "--all", "-o", "json", *rate, env=cloud.machine(name))
            assert len(json.loads(answer)["services"]) == 150
            return took

        # Each once before the clock runs; then a machine that never looked before for each look.
        look("warm", "--rate", "80")
        by_hand(1)
        took = statistics.median(look(f"asked{number}", "--rate", "80") for number in range(3))
        habit = look("habit")
        # The loop that people write: one call for each function. Ten of them tell how long 150 take.
        start = time.perf_counter()
        for number in range(2, 12):
            by_hand(number)
        loop = (time.perf_counter() - start) * 15
        yield result("fleet: status of 150 functions, --rate 80", took, "s",
                     peer=("a loop of `aws lambda get-function`", loop), at_least_times=20)
        yield result("fleet: status of 150 functions, by habit", habit, "s", at_most=8)


@figure("fleet: 1,000 functions, answers 429 that reach anybody")
def thousand(workplace):
    with Cloud(workplace, "thousand") as cloud:
        cloud.functions(1000)
        took, answer = cloud.seconds("status", "--all", "-o", "json", "--rate", "80")
        services = json.loads(answer)["services"]
        unread = sum(service["health"] == "unknown" for service in services) + 1000 - len(services)
        calls = cloud.control("GET", "calls")["calls"]
        throttled = sum(call["status"] == 429 for call in calls)
        yield result("fleet: 1,000 functions, answers 429 that reach anybody", unread + throttled, "", at_most=0)
        yield result("fleet: status of 1,000 functions, --rate 80", took, "s", at_most=27)


@figure("fleet: first paint from the cache")
def paint(workplace):
    with Cloud(workplace, "paint") as cloud:
        cloud.functions(150)
        cloud.seconds("status", "--all", "--rate", "80")
        times = [first_row(cloud) for _ in range(5)]
        yield result("fleet: first paint from the cache", statistics.median(times) * 1e3, "ms", at_most=300)


def first_row(cloud):
    """Seconds until the first function is readable on a terminal."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    start = time.perf_counter()
    process = subprocess.Popen([SQUAD, "status", "--all"], env={**cloud.env, "TERM": "xterm"}, cwd=cloud.workplace.work,
                               stdin=child, stdout=child, stderr=child, close_fds=True)
    os.close(child)
    seen = b""
    try:
        while b"function-0001" not in seen:
            if not select.select([parent], [], [], 20)[0]:
                raise RuntimeError("nothing was painted")
            seen += os.read(parent, 65536)
        took = time.perf_counter() - start
        # It is what was kept, and says so.
        while not re.search(rb"as of ", seen):
            seen += os.read(parent, 65536)
        return took
    finally:
        process.kill()
        process.wait()
        os.close(parent)


@figure("fleet: a deploy beside ten who watch")
def watched(workplace):
    with Cloud(workplace, "watched") as cloud:
        cloud.functions(150)
        directory = os.path.join(cloud.root, "receipts")
        workplace.write("watched/receipts/squad.toml",
                        'schema = 1\n[service]\nname = "receipts"\nkind = "function"\n[build]\nartifact = "src"\n'
                        '[function]\nruntime = "python3.13"\nhandler = "handler.handler"\n'
                        f'role = "arn:aws:iam::{ACCOUNT}:role/receipts"\nmemory_mb = 128\ntimeout = "5s"\n'
                        'architecture = "x86_64"\n')

        def deploy(number):
            workplace.write("watched/receipts/src/handler.py",
                            f"def handler(event, context):\n    return {number}\n")
            return cloud.seconds("deploy", "--yes", cwd=directory)[0]

        # Until each deploy has old versions to remove: the first ones have less to do.
        content = itertools.count()
        for _ in range(9):
            deploy(next(content))
        watchers = []
        alone, beside, reads = [], [], []

        def watched_deploy():
            """One that begins while somebody looks; with how many reads of the watchers there were each second meanwhile."""
            newest = max((call["sequence"] for call in cloud.control("GET", "calls")["calls"]), default=0)
            end = time.monotonic() + 30
            while not looks(cloud, newest):
                if time.monotonic() > end:
                    raise RuntimeError("nobody of those who watch looks")
                time.sleep(0.02)
            cloud.control("DELETE", "calls")
            took = deploy(next(content))
            reads.append(looks(cloud, 0) / took)
            return took

        try:
            for number in range(10):
                env = cloud.machine(f"watcher{number}")
                watchers.append(subprocess.Popen([SQUAD, "status", "--all", "--watch"], env=env, cwd=workplace.work,
                                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                 stderr=subprocess.DEVNULL))
            say("ten watchers look for the first time")
            time.sleep(40)
            # In turns, so that whatever else this machine does meets both alike.
            for _ in range(4):
                for word in (signal.SIGSTOP, signal.SIGCONT):
                    for watcher in watchers:
                        watcher.send_signal(word)
                    time.sleep(2)
                    for _ in range(5):
                        if word == signal.SIGSTOP:
                            alone.append(deploy(next(content)))
                        else:
                            beside.append(watched_deploy())
        finally:
            for watcher in watchers:
                watcher.kill()
                watcher.wait()
        slower = statistics.median(beside) / statistics.median(alone) - 1
        yield result("fleet: a deploy beside ten who watch", slower * 100, "% slower", at_most=10)
        # Without these the line before would say nothing.
        yield result("fleet: a deploy beside ten who watch, their reads", statistics.median(reads), "reads/s")


def looks(cloud, after):
    """How many reads of those who watch came after a call: a deploy reads its own function."""
    calls = cloud.control("GET", f"calls?after={after}&service=lambda")["calls"]
    return sum(call["operation"] == "GetFunction" and call["parameters"].get("FunctionName") != "receipts" for call in calls)
