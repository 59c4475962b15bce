"""How long the shortest commands take, beside other command lines of the trade."""

import os
import subprocess

from figures import figure, result
from tools import SQUAD, Missing, milliseconds, peer, tool


def kubectl():
    path = tool("kubectl")
    # Some vendors install a dispatcher under this name, which starts another process.
    done = subprocess.run([path, "version", "--client"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing("kubectl does not run here")
    return path


def beside(workplace, name, command, peers):
    """One line for each peer; the goals are those of the project."""
    own = milliseconds([SQUAD, *command], 200, workplace.env)
    for title, find, arguments, more_env, times in peers:
        try:
            path = find()
        except Missing as missing:
            yield result(f"{name}, beside {title}", own, "ms", peer=(str(missing), None),
                         at_most=5, at_least_times=times)
            continue
        env = {**workplace.env, **more_env, "PATH": os.path.dirname(path) + ":" + workplace.env["PATH"]}
        other = milliseconds([path, *arguments], 10, env, warm=2)
        yield result(f"{name}, beside {title}", own, "ms", peer=(title, other),
                     at_most=5, at_least_times=times)


@figure("start-up: --version")
def version(workplace):
    yield from beside(workplace, "start-up: --version", ["--version"], [
        ("kubectl", kubectl, ["version", "--client"], {}, 10),
        ("aws", lambda: peer("awscli", "aws"), ["--version"], {}, 50),
    ])


@figure("start-up: completion")
def completion(workplace):
    line = {"COMP_LINE": "aws s3 l", "COMP_POINT": "8"}
    yield from beside(workplace, "start-up: completion", ["completions", "bash"], [
        ("kubectl", kubectl, ["completion", "bash"], {}, 10),
        ("aws", lambda: peer("awscli", "aws_completer"), [], line, 50),
    ])
