"""A deploy that has nothing to do, and what the supervisor holds in memory."""

import os
import subprocess
import time

from figures import figure, result
from tools import SQUAD, load_generator, milliseconds
import proxy
import shutil


@figure("deploy: nothing to do, 200 files")
def nothing(workplace):
    directory = os.path.join(workplace.work, "large")
    for number in range(200):
        text = f"# file {number}\n" + "value = 1\n" * 200
        workplace.write(f"large/package{number % 10}/module{number}.py", text)
    workplace.write("large/squad.toml", 'schema = 1\n\n[service]\nname = "large"\nkind = "http"\n\n'
                                        '[run]\ncommand = ["./load", "serve"]\nready = "/readyz"\n')
    shutil.copy(load_generator(), os.path.join(directory, "load"))
    workplace.commit(directory, "A service of 200 files")
    arguments = ["deploy", "--env", "local", "--yes"]
    workplace.squad(*arguments, cwd=directory)
    # git reads files again that are as young as its index, to the second, until a later look writes the index, as any
    # prompt and editor makes it do. Both sides are measured on a work tree of yesterday, not of this second.
    time.sleep(1.5)
    subprocess.run(["/usr/bin/git", "status"], cwd=directory, env=workplace.env, check=True, capture_output=True)
    own = milliseconds([SQUAD, *arguments], 30, workplace.env, cwd=directory)
    # What git itself needs to see that nothing changed.
    git = milliseconds(["/usr/bin/git", "status", "--porcelain"], 30, workplace.env, cwd=directory)
    yield result("deploy: nothing to do, 200 files", own, "ms", peer=("git status", git), at_most=30)


@figure("supervisor: resident memory")
def memory(workplace):
    port = proxy.service(workplace)
    proxy.generate("most", port, "/", 32, 3)
    with open(f"/proc/{workplace.supervisor()}/status", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("VmRSS:"))
    yield result("supervisor: resident memory", int(line.split()[1]) / 1024, "MB", at_most=25)


@figure("demo: all of it, with a warm package cache")
def demo(workplace):
    place = os.path.join(workplace.work, "demo")
    run = [SQUAD, "demo", "--directory", place]

    def play():
        start = time.monotonic()
        subprocess.run(run, cwd=workplace.work, env=workplace.env, check=True, capture_output=True)
        took = time.monotonic() - start
        subprocess.run([*run, "--clean"], cwd=workplace.work, env=workplace.env, check=True, capture_output=True)
        return took

    play()  # The first one brings the packages here.
    # 60 s for the main job and 45 s for the two rollouts of act 7.
    yield result("demo: all of it, with a warm package cache", play(), "s", at_most=105)
