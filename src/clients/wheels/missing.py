"""Prints a line for each package that another one needs and that is not there.

squad runs this with: version, machine, selected requirements, directory of the packages.
"""

import re
import sys
from importlib.metadata import distributions

from pip._vendor.packaging.requirements import Requirement

version, machine, lock, packages = sys.argv[1:5]
target = {
    "implementation_name": "cpython",
    "implementation_version": version + ".99",
    "os_name": "posix",
    "platform_machine": machine,
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": version + ".99",
    "python_version": version,
    "sys_platform": "linux",
}


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


needs = {plain(one.metadata["Name"]): list(one.requires or []) for one in distributions(path=[packages])}
missing = set()
seen = set()
with open(lock, encoding="utf-8") as file:
    wanted = [Requirement(re.split(r"\s+--hash\b", line)[0]) for line in file if not line.startswith("-")]
queue = [(plain(one.name), frozenset(one.extras)) for one in wanted]
while queue:
    name, extras = queue.pop()
    if (name, extras) in seen or name not in needs:
        continue
    seen.add((name, extras))
    for text in needs[name]:
        one = Requirement(text)
        if one.marker and not any(one.marker.evaluate({**target, "extra": extra}) for extra in {"", *extras}):
            continue
        if plain(one.name) not in needs:
            missing.add(f"{plain(one.name)}, which {name} needs")
        queue.append((plain(one.name), frozenset(one.extras)))
print("\n".join(sorted(missing)), end="")
