"""`squad new` beside copier and cookiecutter, on the same golden path.

The path's files are converted by this script: its delimiters are set in the peers' own settings, and what they need
to find their answers is added. All three render the same text. Neither peer makes a repository or syncs what it wrote, so
`squad new` stands beside them without its commit; it still checks, hashes, locks and syncs. With the commit it has no peer.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import time

from figures import figure, result
from tools import ROOT, SQUAD, Missing, peer

PATH = "python-http"
FILES = os.path.join(ROOT, "templates", PATH, "files")
ANSWERS = {"squad": "ledger", "tier": "2", "telemetry": "both"}
DELIMITERS = {
    "block_start_string": "<%", "block_end_string": "%>",
    "variable_start_string": "<%=", "variable_end_string": "%>",
    "comment_start_string": "<%#", "comment_end_string": "%>",
}


def files():
    for directory, _, names in os.walk(FILES):
        for name in names:
            path = os.path.join(directory, name)
            yield path, os.path.relpath(path, FILES)


def copier_template(place):
    shutil.rmtree(place, ignore_errors=True)
    for path, relative in files():
        target = os.path.join(place, relative)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(path, target)
    questions = {name: {"type": "int" if name == "tier" else "str", "default": ""}
                 for name in ["name", "org", *ANSWERS]}
    questions["tier"]["default"] = 2
    settings = {"_templates_suffix": ".tmpl", "_envops": {**DELIMITERS, "keep_trailing_newline": True}, **questions}
    # JSON is YAML.
    with open(os.path.join(place, "copier.yml"), "w", encoding="utf-8") as file:
        json.dump(settings, file)


def cookiecutter_template(place):
    shutil.rmtree(place, ignore_errors=True)
    root = os.path.join(place, "<%= cookiecutter.name %>")
    verbatim = []
    sets = "".join(f"<% set {name} = cookiecutter.{name} %>" for name in ["name", "org", "squad", "telemetry"])
    sets += "<% set tier = cookiecutter.tier | int %>"
    for path, relative in files():
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if relative.endswith(".tmpl"):
            relative, text = relative[: -len(".tmpl")], sets + text
        else:
            verbatim.append("*/" + relative)
        target = os.path.join(root, relative)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
    settings = {"name": "", "org": "", **ANSWERS, "_copy_without_render": verbatim, "_jinja2_env_vars": DELIMITERS}
    with open(os.path.join(place, "cookiecutter.json"), "w", encoding="utf-8") as file:
        json.dump(settings, file)


def timed(workplace, name, command, runs, env):
    """The median of runs that each make a new directory."""
    times = []
    for run in range(runs + 2):
        out = os.path.join(workplace.work, f"{name}-{run}")
        os.makedirs(out)
        start = time.perf_counter()
        done = subprocess.run(command(out), cwd=out, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        took = (time.perf_counter() - start) * 1e3
        if "there is no command" in done.stderr:
            raise Missing("this build has no `squad new`")
        if done.returncode:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        made = sum(len(names) for _, _, names in os.walk(os.path.join(out, "payments")))
        if made < 10:
            raise RuntimeError(f"{name} made {made} files only")
        shutil.rmtree(out)
        if run >= 2:
            times.append(took)
    return statistics.median(times)


def squad(*more):
    answers = [word for name, value in ANSWERS.items() for word in ("--set", f"{name}={value}")]
    return lambda _: [SQUAD, "new", PATH, "payments", *answers, *more]


@figure("squad new")
def new(workplace):
    without = timed(workplace, "new", squad("--no-git"), 40, workplace.env)
    whole = timed(workplace, "new-git", squad(), 20, workplace.env)
    given = [f"{name}={value}" for name, value in {"name": "payments", **ANSWERS}.items()]
    peers = []
    try:
        path, place = peer("copier"), os.path.join(workplace.root, "copier")
        copier_template(place)
        data = [word for pair in given for word in ("--data", pair)]
        peers.append(("copier", path, lambda out: [
            path, "copy", "--quiet", "--defaults", *data, place, os.path.join(out, "payments")]))
    except Missing as missing:
        peers.append(("copier", None, str(missing)))
    try:
        other, there = peer("cookiecutter"), os.path.join(workplace.root, "cookiecutter")
        cookiecutter_template(there)
        peers.append(("cookiecutter", other, lambda out: [other, "--no-input", "--output-dir", out, there, *given]))
    except Missing as missing:
        peers.append(("cookiecutter", None, str(missing)))
    for title, found, command in peers:
        name = f"squad new, without its git commit, beside {title}"
        if found is None:
            yield result(name, without, "ms", peer=(command, None), at_most=20, at_least_times=20)
            continue
        env = {**workplace.env, "PATH": os.path.dirname(found) + ":" + workplace.env["PATH"]}
        yield result(name, without, "ms", peer=(title, timed(workplace, title, command, 5, env)),
                     at_most=20, at_least_times=20)
    yield result("squad new, with its git commit", whole, "ms", at_most=60)
