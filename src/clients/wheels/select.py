"""Prints the requirements of a lock file that count for the target, without their markers.

pip reads markers for the machine that it runs on. squad runs this with: version, machine, lock file. Exit code 3 and
one line on standard error say what is wrong with the lock file.
"""

import re
import sys

from pip._vendor.packaging.requirements import InvalidRequirement, Requirement

version, machine, path = sys.argv[1:4]
target = {
    "implementation_name": "cpython",
    "implementation_version": version + ".99",
    "os_name": "posix",
    "platform_machine": machine,
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    # Lambda keeps its runtimes at their newest patch.
    "python_full_version": version + ".99",
    "python_version": version,
    "sys_platform": "linux",
    "extra": "",
}


def refuse(why):
    print(why, file=sys.stderr)
    sys.exit(3)


with open(path, encoding="utf-8") as file:
    text = re.sub(r"\\\n", " ", file.read().replace("\r\n", "\n"))
for line in text.splitlines():
    line = re.sub(r"(^|\s)#.*$", "", line).strip()
    if not line:
        continue
    if re.match(r"(-r|-c|--requirement|--constraint)\b", line):
        refuse(f"it includes another file (`{line}`), and a lock file must be whole")
    if re.match(r"(-e|--editable)\b", line):
        refuse(f"`{line}` is an editable install, which is of this machine only")
    if line.startswith("-"):
        print(line)
        continue
    words = re.split(r"\s+(?=--hash\b)", line)
    try:
        requirement = Requirement(words[0])
    except InvalidRequirement:
        refuse(f"`{words[0]}` is no requirement that it could pin")
    if len(words) == 1:
        refuse(f"`{words[0]}` has no hash")
    if requirement.marker and not requirement.marker.evaluate(target):
        continue
    requirement.marker = None
    print(requirement, *words[1:])
