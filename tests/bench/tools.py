"""Programs, places and clocks that the figures share. Python's standard library only."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "squad-tests")
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")
SQUAD = os.path.join(TARGET, "release/squad")

# The versions of the peers: another version is another figure.
PEERS = {"awscli": "1.45.11", "copier": "9.10.2", "cookiecutter": "2.6.0"}


class Missing(Exception):
    """Something that the measurement needs is not there; its text names it."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def build_release():
    """Builds what is measured; quick when it is up to date."""
    if os.environ.get("SQUAD_BENCH_NO_BUILD"):
        return
    if not cargo("build", "--release", "--bin", "squad"):
        sys.exit("tests/bench/run: the release build failed")


def cargo(*arguments):
    """Runs cargo in the repository; what it says is shown only when it fails."""
    command = ["cargo", *arguments, "--locked", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return done.returncode == 0


def load_generator():
    """The generator and backend of tests/load, compiled once for each version of its source."""
    source = os.path.join(ROOT, "tests/load/main.rs")
    binary = os.path.join(CACHE, f"load-{int(os.path.getmtime(source))}")
    if not os.path.exists(binary):
        os.makedirs(CACHE, exist_ok=True)
        command = ["rustc", "--edition", "2024", "-O", source, "-o", binary + ".new"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        os.replace(binary + ".new", binary)
    return binary


def peer(package, program=None):
    """A program of a Python package, in a virtual environment of its own, made once for each version."""
    version = PEERS[package]
    place = os.path.join(CACHE, f"{package}-{version}")
    path = os.path.join(place, "bin", program or package)
    if not os.path.exists(path):
        say(f"installing {package} {version}")
        shutil.rmtree(place, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", place], capture_output=True, check=False)
        if made.returncode == 0:
            pip = [os.path.join(place, "bin/pip"), "install", "--quiet", f"{package}=={version}"]
            made = subprocess.run(pip, capture_output=True, check=False)
        if made.returncode:
            shutil.rmtree(place, ignore_errors=True)
            raise Missing(f"{package} {version} cannot be installed from PyPI")
    return path


def tool(*names):
    """A program of the system."""
    for name in names:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if path:
            return path
    raise Missing(f"{names[0]} is not installed")


def milliseconds(command, runs, env, warm=3, cwd=None):
    """The median wall time of a program from start to end."""
    devnull = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, devnull, descriptor) for descriptor in (0, 1, 2)]
    before = os.getcwd()
    os.chdir(cwd or before)
    try:
        times = []
        for run in range(runs + warm):
            start = time.perf_counter()
            child = os.posix_spawn(command[0], command, env, file_actions=actions)
            _, status = os.waitpid(child, 0)
            took = time.perf_counter() - start
            if status:
                raise RuntimeError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
            if run >= warm:
                times.append(took * 1e3)
    finally:
        os.chdir(before)
        os.close(devnull)
    return statistics.median(times)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            found = condition()
            if found:
                return found
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def answers(port, path="/"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
        return reply.status == 200


class Workplace:
    """A hermetic home below /tmp, and everything that was started in it."""

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="sqb", dir="/tmp")
        self.home = os.path.join(self.root, "h")
        self.work = os.path.join(self.home, "w")
        self.processes = []
        os.makedirs(self.work)
        os.makedirs(os.path.join(self.root, "r"), mode=0o700)
        with open(os.path.join(self.home, ".gitconfig"), "w", encoding="utf-8") as file:
            file.write("[user]\n\tname = Ana Example\n\temail = ana@example.com\n"
                       "[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n")
        python = os.path.dirname(os.path.realpath(sys.executable))
        self.env = {
            "HOME": self.home,
            "PATH": "/usr/bin:/bin" if os.path.exists("/usr/bin/python3") else f"/usr/bin:/bin:{python}",
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": os.path.join(self.root, "r"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "TZ": "UTC",
        }
        return self

    def __exit__(self, *_):
        subprocess.run([SQUAD, "local", "stop"], env=self.env, cwd=self.work, capture_output=True, check=False)
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        shutil.rmtree(self.root, ignore_errors=True)

    def squad(self, *arguments, cwd=None, fails=False):
        """Runs squad; its standard output. A command that is not there yet is missing, not wrong."""
        done = subprocess.run([SQUAD, *arguments], env=self.env, cwd=cwd or self.work,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if "there is no command" in done.stderr:
            raise Missing(f"this build has no `squad {arguments[0]}`")
        if done.returncode and not fails:
            raise RuntimeError(f"squad {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def git(self, directory, *arguments):
        subprocess.run(["git", *arguments], cwd=directory, env=self.env, check=True, capture_output=True)

    def commit(self, directory, message):
        if not os.path.exists(os.path.join(directory, ".git")):
            self.git(directory, "init", "--quiet")
        self.git(directory, "add", "--all")
        self.git(directory, "commit", "--quiet", "-m", message)

    def start(self, command, **more):
        """Starts a server that ends with the workplace."""
        env = {**self.env, **more.pop("env", {})}
        process = subprocess.Popen(command, env=env, cwd=self.work, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
        self.processes.append(process)
        return process

    def write(self, path, text):
        path = os.path.join(self.work, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def port_of(self, service):
        """Where the local platform answers for a service."""
        status = self.squad("status", service, "--env", "local", "-o", "json")
        found = re.search(r"(?:127\.0\.0\.1|localhost):(\d+)", status)
        if not found:
            raise RuntimeError(f"no address in {status}")
        return int(found.group(1))

    def supervisor(self):
        """The process id of the supervisor."""
        status = json.loads(self.squad("local", "status", "-o", "json"))
        for key in ("pid", "process", "process_id"):
            if isinstance(status.get(key), int):
                return status[key]
        raise RuntimeError(f"no process id in {status}")

    @staticmethod
    def stop(process):
        process.send_signal(signal.SIGTERM)
        process.wait(10)
