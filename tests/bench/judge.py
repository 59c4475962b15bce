"""The judge of rollouts: simulated canaries, good and bad, with the threshold rules of Argo and Flagger beside it.

`tests/bench/judge` simulates; docs/analysis.md says what the figures mean. Each line has the seed of its random numbers.
"""

import json
import os
import subprocess

from figures import figure, result
from tools import TARGET, Missing, cargo

THRESHOLDS = (1, 2, 3, 5)
AT = "at thresholds of " + "/".join(map(str, THRESHOLDS)) + " %"

# Median minutes until a bad canary is found, by tolerance: the default on even traffic, 1.0 on traffic that rises.
FOUND = {
    "×5 at 5 rps w10": {1.25: 12, 1.0: 9},
    "×3 at 50 rps w5": {1.25: 10, 1.0: 6},
    "30 % errors at 1 rps w10": {1.25: 3, 1.0: 2},
}


def simulated(kind):
    """What tests/bench/judge says: one dictionary for each figure."""
    if not cargo("build", "--release", "--features", "bench", "--example", "judge_bench"):
        raise Missing("the example judge_bench does not build")
    program = os.path.join(TARGET, "release/examples/judge_bench")
    done = subprocess.run([program, kind], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def rules(one, tell):
    """The same for each rule of others, at each threshold."""
    named = {}
    for rule in one["rules"]:
        named.setdefault(rule["rule"], []).append(tell(rule))
    return ", ".join(f"{name} {'/'.join(values)}" for name, values in named.items())


@figure("judge: healthy canaries aborted")
def same(_workplace):
    for one in simulated("aa"):
        name = f"judge: A/A aborted, {one['name']}, tolerance {one['tolerance']}, seed {one['seed']}"
        peer = rules(one, lambda rule: f"{rule['aborted_percent']:.1f}") + f" % {AT}"
        yield result(name, one["aborted_percent"], "%", peer=(peer, None), at_most=1)


@figure("judge: bad canaries found")
def found(_workplace):
    def tell(rule):
        minutes = rule["median_minutes"]
        return f"{minutes:.0f}" if minutes else f"only {rule['aborted_percent']:.0f} % ever"

    for one in simulated("detect"):
        tolerance = one["tolerance"]
        traffic = "" if tolerance > 1 else ", traffic that doubles in an hour"
        name = f"judge: {one['name']} found, tolerance {tolerance}{traffic}, seed {one['seed']}"
        value = one["median_minutes"] or float("inf")
        peer = rules(one, tell) + f" min {AT}"
        yield result(name, value, "min", peer=(peer, None), at_most=FOUND[one["name"]][tolerance])


@figure("judge: healthy canaries promoted")
def promoted(_workplace):
    for one in simulated("healthy"):
        name = f"judge: healthy at {one['name']}, {'/'.join(map(str, one['steps']))} %, seed {one['seed']}"
        if one["name"] == "5 rps":
            yield result(f"{name}, median", one["median_minutes"], "min", at_most=25)
            yield result(f"{name}, not promoted unaided in 45 min", 100 - one["within_45_percent"], "%", at_most=5)
        elif one["name"] == "50 rps":
            yield result(f"{name}, not promoted unaided in 20 min", 100 - one["within_20_percent"], "%", at_most=5)
        else:
            goal = 4 if "proposed" in one["name"] else 7
            yield result(f"{name}, median", one["hours"], "h", at_most=goal)
            helped = 100 * (one["aborted"] + one["paused"]) / one["runs"]
            yield result(f"{name}, need a person", helped, "%", at_most=5)


@figure("judge: a fleet of 180")
def mix(_workplace):
    for one in simulated("mix"):
        name = f"judge: healthy rollouts of 150 functions and 30 applications, seed {one['seed']}"
        peer = f"{one['unsplit']} too small to split, {one['paused']} paused, {one['aborted']} aborted of {one['rollouts']}"
        yield result(f"{name}, need a person", one["persons_percent"], "%", peer=(peer, None), at_most=5)
        yield result(f"{name}, median", one["median_hours"], "h")


@figure("judge: worse by 2 Δ")
def worse(_workplace):
    for one in simulated("worse"):
        yield result(f"judge: worse by 2 Δ passed, {one['name']}, seed {one['seed']}", one["passed_percent"], "%", at_most=1)


@figure("judge: time")
def speed(_workplace):
    for one in simulated("speed"):
        yield result("judge: 100 routes × 60 looks replayed and judged", one["replay_ms"], "ms", at_most=1)
        yield result("judge: 100 routes × 60 looks, judged at each", one["every_look_ms"], "ms")
