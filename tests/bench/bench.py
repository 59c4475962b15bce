"""The frame of the bench: which figures there are, how they are printed, where they are written."""

import argparse
import datetime
import os
import platform
import re
import sys

import figures
import tools
from tools import Missing, say

import startup  # noqa: F401  (each module registers its figures)
import scaffold  # noqa: F401
import proxy  # noqa: F401
import deploy  # noqa: F401
import audit  # noqa: F401
import rollout  # noqa: F401
import judge  # noqa: F401
import lambda_package  # noqa: F401
import lambda_deploy  # noqa: F401
import build  # noqa: F401
import fleet  # noqa: F401

BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
HEADER = "| figure | value | peer | ratio | goal | | measured |\n|---|---:|---|---:|---|---|---|\n"
COLUMNS = 7


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run")
    parser.add_argument("names", nargs="*", help="only figures whose name contains one of these")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--slow", action="store_true", help="also what takes minutes")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests where a figure takes long")
    parser.add_argument("--list", action="store_true", help="the names of the figures")
    options = parser.parse_args()
    figures.QUICK = options.quick

    chosen = [
        figure for figure in figures.ALL
        if (not figure.slow or options.slow)
        and (not options.names or any(name in figure.name for name in options.names))
    ]
    if options.list:
        for figure in chosen:
            print(figure.name)
        return 0
    if not chosen:
        sys.exit("tests/bench/run: no figure has such a name; see --list")

    tools.build_release()
    rows, short, failed = [], 0, 0
    with tools.Workplace() as workplace:
        for figure in chosen:
            say(figure.name)
            try:
                results = list(figure.measure(workplace))
            except Missing as missing:
                print(f"{figure.name}: not measured: {missing}", flush=True)
                rows.append([figure.name, "not measured", str(missing), "", "", "short"])
                short += 1
                continue
            except Exception as error:  # a figure that fails must not hide the others
                print(f"{figure.name}: failed: {error}", flush=True)
                failed += 1
                continue
            for result in results:
                print(result.line(), flush=True)
                rows.append(result.row())
                short += result.verdict() == "short"
    if options.write:
        write(rows)
    say(f"{len(rows)} figures, {short} short, {failed} failed")
    return 1 if failed else 0


def write(rows):
    """Replaces the rows of the same figures in the table and keeps the others."""
    path = os.path.join(tools.ROOT, "docs/performance.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    # A row of before this column was measured by the run that the head of the table names, or by an earlier one.
    last = re.search(r"Last run (\S+):", table)
    kept = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "figure":
            kept[cells[0]] = cells if len(cells) == COLUMNS else [*cells, f"by {last.group(1)}" if last else "–"]
    day = datetime.datetime.now(datetime.timezone.utc).date()
    for row in rows:
        kept[row[0]] = [*row, str(day)]
    order = {name: place for place, name in enumerate(figures.ROWS)}
    lines = sorted(kept.values(), key=lambda row: order.get(row[0], len(order)))
    body = "".join("| " + " | ".join(row) + " |\n" for row in lines)
    machine = f"Last run {day}: {os.cpu_count()} cores, {cpu()}, {platform.system()} {platform.machine()}.\n\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + machine + HEADER + body + END + after)


def cpu():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return re.search(r"model name\s*: (.*)", file.read()).group(1).strip()
    except (OSError, AttributeError):
        return platform.processor() or "unknown processor"


if __name__ == "__main__":
    sys.exit(main())
