"""Who is woken by an alert must find it in the runbook."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_alert_has_its_heading_in_the_runbook() -> None:
    names: set[str] = set()
    for path in (ROOT / "alerts").glob("*"):
        names |= set(re.findall(r'^\s*(?:- alert: |"name": ")(\w+)', path.read_text(), re.MULTILINE))
    headings = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
    assert names
    assert names <= headings
