"""Gradual rollouts on the local platform, through the real commands and with real requests, beside nginx reloads.

The peer does what people do without squad: `split_clients` in nginx, and a reload for each change of a weight. The
client is the same for both: it keeps its connections, and repeats no request.
"""

import contextlib
import datetime
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import time

import figures
import proxy
from figures import figure, result
from tools import SQUAD, Missing, answers, free_port, load_generator, say, tool, wait_until

SEED = 20_251_126
CLIENTS = 32
ABORTS = 10
TAKEOVERS = 10
# Each rollout is a start, eight promotions and a stop: ten changes.
ROLLOUTS = 5
CHANGES = 10
WEIGHTS = (1, 5, 10, 25, 50, 75, 95, 99)
SAMPLE = 10_000
# Two-sided: of 1,000 fair samples one is outside.
CONFIDENCE = 0.999

NGINX = """
daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
  keepalive_requests 100000000;
  split_clients $request_id $revision {{ {split} * stable; }}
  upstream stable {{ server 127.0.0.1:{stable}; keepalive 64; keepalive_requests 100000000; }}
  upstream canary {{ server 127.0.0.1:{canary}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://$revision; proxy_http_version 1.1; proxy_set_header Connection "";
      add_header x-squad-revision $revision;
    }}
  }}
}}
"""


class Nginx:
    """nginx in front of two backends, with a weight that a reload changes."""

    def __init__(self, workplace):
        self.path, self.workplace = tool("nginx"), workplace
        self.place = os.path.join(workplace.root, "nginx-rollout")
        os.makedirs(self.place, exist_ok=True)
        self.conf = os.path.join(self.place, "nginx.conf")
        self.port = free_port()
        self.backends = [proxy.backend(workplace), proxy.backend(workplace)]

    @contextlib.contextmanager
    def serving(self, weight):
        self.write(weight)
        process = self.workplace.start(self.command())
        try:
            wait_until("nginx answers", lambda: answers(self.port))
            yield
        finally:
            self.workplace.stop(process)

    def command(self, *more):
        return [self.path, "-p", self.place, "-c", self.conf, *more]

    def write(self, weight):
        stable, canary = self.backends
        split = f"{weight}% canary;" if weight else ""
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(NGINX.format(place=self.place, port=self.port, stable=stable, canary=canary, split=split))

    def weigh(self, weight):
        """Returns when nginx has been told; its new worker takes over a little later."""
        self.write(weight)
        done = subprocess.run(self.command("-s", "reload"), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"nginx -s reload: {done.stderr.strip()}")


def nginx(workplace):
    """The peer, or why there is none."""
    try:
        return Nginx(workplace)
    except Missing as missing:
        return str(missing)


class Service:
    """A service of the local platform that answers 200 to everything; each revision is the same but for a file."""

    def __init__(self, workplace):
        self.workplace, self.name, self.version = workplace, "gradual", 0
        self.directory = os.path.join(workplace.work, self.name)
        workplace.write("gradual/squad.toml", 'schema = 1\n\n[service]\nname = "gradual"\nkind = "http"\n\n'
                                              '[run]\ncommand = ["./load", "serve"]\nready = "/readyz"\n')
        shutil.copy(load_generator(), os.path.join(self.directory, "load"))
        self.change()
        workplace.squad("deploy", "--env", "local", "--yes", cwd=self.directory)
        self.port = workplace.port_of(self.name)
        # The plan of a rollout wants to know that there is traffic.
        self.load(1_000).done()

    def change(self):
        self.version += 1
        self.workplace.write(f"{self.name}/version", f"{self.version}\n")
        self.workplace.commit(self.directory, f"Version {self.version}")

    def load(self, requests):
        return Load(self.port, requests)

    @contextlib.contextmanager
    def rollout(self, *arguments):
        """Publishes a new revision and rolls it out; yields the process that drives. Afterwards nothing is live."""
        self.change()
        driver = self.begin("deploy", "--canary", "--yes", *arguments)
        try:
            yield driver
        finally:
            self.squad("stop")
            driver.wait(30)

    def begin(self, *arguments):
        """A command that goes on beside this one, and ends with the workplace at the latest."""
        process = subprocess.Popen([SQUAD, *arguments, "--env", "local"], env=self.workplace.env, cwd=self.directory,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.workplace.processes.append(process)
        return process

    def squad(self, *arguments):
        return self.workplace.squad(*arguments, "--env", "local", cwd=self.directory)

    def status(self):
        """The rollout as it is; nothing while there is none."""
        text = self.workplace.squad("rollout", "status", "--env", "local", "-o", "json",
                                    cwd=self.directory, fails=True)
        return json.loads(text) if text else {}

    def held(self, weight=None):
        """Waits until a weight, or any, is in force and verified; the rollout as it is then."""

        def holding():
            status = self.status()
            fits = status.get("phase") == "holding" and weight in (None, status["units"][0]["weight"])
            return status if fits else None

        return wait_until(f"the rollout holds at {weight or 'some'} %", holding)


class Load:
    """Requests as fast as answers come, at least so many, until `done` is called."""

    def __init__(self, port, requests):
        self.wanted, self.last = requests, ""
        self.process = subprocess.Popen([load_generator(), "count", str(port), "/", str(CLIENTS), str(requests)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_for(self, share):
        """Waits until this share of the requests has been sent."""
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the load generator ended early")
            if int(line) >= share * self.wanted:
                return

    def done(self):
        """Lets it end; what it counted."""
        self.process.stdin.close()
        *_, last = self.process.stdout
        if self.process.wait():
            raise RuntimeError("the load generator failed")
        return json.loads(last)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def service(workplace):
    """One for all figures of this page."""
    if not getattr(workplace, "gradual_service", None):
        workplace.gradual_service = Service(workplace)
    return workplace.gradual_service


def last_request(port, canary, leave):
    """Seconds from when `leave` begins to the canary's last answer, which is after the request was handed to it."""
    with Load(port, 20_000) as load:
        load.wait_for(0.5)
        started = time.time()
        leave()
        time.sleep(0.5)  # longer than a request is under way: one that comes late must be seen
        measured = load.done()
    return measured["revisions"][canary]["last"] - started, measured["failed"]


def each(name, seen):
    """Says every value behind a figure, and how busy the machine was with other things too."""
    values = " ".join(f"{seconds:.3f}" for seconds in seen)
    say(f"{name}: {values} s; {os.getloadavg()[0]:.0f} processes want {os.cpu_count()} cores")


def counted(port, requests):
    with Load(port, requests) as load:
        return load.done()


@figure("rollout-abort")
def abort(workplace):
    own, seen = service(workplace), []
    for _ in range(ABORTS):
        with own.rollout("--steps", "50", "--hold", "1h"):
            canary = str(own.held(50)["canary"])
            seconds, failed = last_request(own.port, canary, lambda: own.squad("stop"))
            if failed:
                raise RuntimeError(f"{failed} requests failed")
            seen.append(seconds)
    each("rollout-abort", seen)
    yield result(f"rollout-abort: worst of {ABORTS}", max(seen), "s", peer=peer_abort(workplace), at_most=1)


def peer_abort(workplace):
    peer = nginx(workplace)
    if isinstance(peer, str):
        return peer, None
    seen = []
    for _ in range(ABORTS):
        with peer.serving(50):
            seconds, _ = last_request(peer.port, "canary", lambda: peer.weigh(0))
            seen.append(seconds)
    each("rollout-abort, nginx", seen)
    return "nginx reload", max(seen)


@figure("rollout-shift-failures")
def shift(workplace):
    requests = 100_000 if figures.QUICK else 1_000_000
    say(f"rollout-shift-failures: seed {SEED}, {requests:,} requests" + (" (--quick)" if figures.QUICK else ""))
    draw = random.Random(SEED)
    plans = [sorted(draw.sample(range(1, 100), CHANGES - 1)) for _ in range(ROLLOUTS)]
    own, changes = service(workplace), 0
    with own.load(requests) as load:
        for weights in plans:
            load.wait_for(changes / (ROLLOUTS * CHANGES + 1))
            with own.rollout("--steps", ",".join(map(str, weights)), "--hold", "1h"):
                for place, weight in enumerate(weights):
                    if place:
                        load.wait_for(changes / (ROLLOUTS * CHANGES + 1))
                        own.squad("rollout", "promote", "--reason", "bench")
                    own.held(weight)
                    changes += 1
            changes += 1
        measured = load.done()
    took = measured["requests"] / measured["per_second"]
    say(f"rollout-shift-failures: {measured['requests']:,} requests, {changes} changes of weights, "
        f"{len(measured['revisions'])} revisions, {took:.0f} s")
    peer = peer_shift(workplace, requests, [weight for weights in plans for weight in [*weights, 0]])
    unit = f"failed of {requests:,} requests at least, {changes} changes"
    yield result("rollout-shift-failures", measured["failed"], unit,
                 peer=peer, at_most=0)


def peer_shift(workplace, requests, weights):
    peer = nginx(workplace)
    if isinstance(peer, str):
        return peer, None
    with peer.serving(0), Load(peer.port, requests) as load:
        for place, weight in enumerate(weights):
            load.wait_for((place + 1) / (len(weights) + 1))
            peer.weigh(weight)
        measured = load.done()
    say(f"rollout-shift-failures, nginx: {measured['requests']:,} requests, {len(weights)} reloads")
    return "nginx reload", measured["failed"]


def binomial_bounds(size, share):
    """The counts between which a binomial one lies in CONFIDENCE of all samples, both ends included: its quantiles."""
    tail, below, low, high = (1 - CONFIDENCE) / 2, 0.0, None, size
    for hits in range(size + 1):
        logarithm = math.lgamma(size + 1) - math.lgamma(hits + 1) - math.lgamma(size - hits + 1)
        below += math.exp(logarithm + hits * math.log(share) + (size - hits) * math.log(1 - share))
        if low is None and below > tail:
            low = hits
        if below >= 1 - tail:
            high = hits
            break
    return low, high


def outside(samples):
    """Of samples by their weight: how many lie outside their bounds, and the largest deviation in points."""
    count, largest = 0, 0.0
    for weight, (size, hits) in samples.items():
        low, high = binomial_bounds(size, weight / 100)
        count += not low <= hits <= high
        largest = max(largest, abs(100 * hits / size - weight))
        say(f"rollout-split: {weight} %: {hits} of {size:,}, within {low} to {high}: {low <= hits <= high}")
    return count, largest


def sample(port, canary):
    measured = counted(port, SAMPLE)
    if measured["failed"]:
        raise RuntimeError(f"{measured['failed']} requests failed")
    return measured["requests"], measured["revisions"].get(canary, {"answers": 0})["answers"]


@figure("rollout-split")
def split(workplace):
    say(f"rollout-split: {SAMPLE:,} requests at each weight; squad and nginx seed their own draws, the bounds need none")
    own, samples = service(workplace), {}
    with own.rollout("--steps", ",".join(map(str, WEIGHTS)), "--hold", "1h"):
        for place, weight in enumerate(WEIGHTS):
            if place:
                own.squad("rollout", "promote", "--reason", "bench")
            canary = str(own.held(weight)["canary"])
            samples[weight] = sample(own.port, canary)
    count, largest = outside(samples)
    peer = nginx(workplace)
    if isinstance(peer, str):
        others = [(peer, None)] * 2
    else:
        others = [("nginx split_clients", value) for value in outside(peer_split(peer))]
    yield result("rollout-split: outside 99.9 %", count, f"of {len(WEIGHTS)} weights", peer=others[0], at_most=0)
    yield result("rollout-split: largest deviation", largest, "points", peer=others[1])


def peer_split(peer):
    samples = {}
    for weight in WEIGHTS:
        with peer.serving(weight):
            samples[weight] = sample(peer.port, "canary")
    return samples


def decided(own, since):
    """When the first decision after a moment was made, in seconds since 1970; none while there is none."""
    report = json.loads(own.squad("rollout", "report", "--service", own.name, "-o", "json"))
    moments = [datetime.datetime.fromisoformat(entry["at"]).timestamp()
               for entry in report["log"] if "decision" in entry["what"]]
    return min((moment for moment in moments if moment > since), default=None)


@figure("rollout-takeover")
def takeover(workplace):
    own, seen = service(workplace), []
    for _ in range(TAKEOVERS):
        # No hold, and traffic enough: the next decision waits for nothing but a driver.
        with own.load(0), own.rollout("--steps", "10,20,30,40,50,60,70,80,90", "--hold", "0") as driver:
            own.held()
            killed = time.time()
            driver.kill()
            driver.wait()
            other = own.begin("rollout", "drive")
            seen.append(wait_until("the next decision", lambda: decided(own, killed)) - killed)
            own.squad("stop")
            other.wait(30)
    each("rollout-takeover", seen)
    yield result(f"rollout-takeover: median of {TAKEOVERS}", statistics.median(seen), "s")
    yield result(f"rollout-takeover: worst of {TAKEOVERS}", max(seen), "s")
