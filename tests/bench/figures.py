"""What a figure is, and the list of all of them."""

import dataclasses
from typing import Callable, Optional

ALL = []
ROWS = []
# Set by `--quick`: fewer repetitions where a figure takes long. Its unit says what was done.
QUICK = False


@dataclasses.dataclass
class Figure:
    """Something that can be measured; yields one or more results."""

    name: str
    measure: Callable
    slow: bool


@dataclasses.dataclass
class Result:
    """One line. `ratio` is how many times better than the peer; a goal may be about value, ratio or both."""

    name: str
    value: float
    unit: str
    peer: str = "no peer"
    peer_value: Optional[float] = None
    ratio: Optional[float] = None
    at_most: Optional[float] = None
    at_least_times: Optional[float] = None
    at_most_times: Optional[float] = None

    def verdict(self):
        """`ok`, `short`, or `–` where there is no goal."""
        goals = []
        if self.at_most is not None:
            goals.append(self.value <= self.at_most)
        if self.at_least_times is not None:
            goals.append(self.ratio is not None and self.ratio >= self.at_least_times)
        if self.at_most_times is not None:
            goals.append(self.ratio is not None and self.ratio <= self.at_most_times)
        if not goals:
            return "–"
        return "ok" if all(goals) else "short"

    def goal(self):
        parts = []
        if self.at_most is not None:
            parts.append(f"≤ {number(self.at_most)} {self.unit}")
        if self.at_least_times is not None:
            parts.append(f"≥ {number(self.at_least_times)}×")
        if self.at_most_times is not None:
            parts.append(f"≤ {number(self.at_most_times)}×")
        return " and ".join(parts) or "none"

    def peer_text(self):
        if self.peer_value is None:
            return self.peer
        return f"{self.peer} {number(self.peer_value)} {self.unit}"

    def ratio_text(self):
        return f"{number(self.ratio)}×" if self.ratio is not None else "–"

    def line(self):
        return (
            f"{self.name}: {number(self.value)} {self.unit} · {self.peer_text()} · "
            f"ratio {self.ratio_text()} · goal {self.goal()} · {self.verdict()}"
        )

    def row(self):
        value = f"{number(self.value)} {self.unit}"
        return [self.name, value, self.peer_text(), self.ratio_text(), self.goal(), self.verdict()]


def number(value):
    """Three digits that matter, with thousands."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figure(name, slow=False):
    """Registers a measurement."""

    def register(measure):
        ALL.append(Figure(name, measure, slow))
        return measure

    return register


def result(name, value, unit, peer=None, **more):
    """A result whose ratio is peer/value: how many times smaller than the peer's. Nothing has no ratio."""
    if name not in ROWS:
        ROWS.append(name)
    made = Result(name, value, unit, **more)
    if peer is not None:
        made.peer, made.peer_value = peer
        if made.peer_value is not None and made.ratio is None and value:
            made.ratio = made.peer_value / value
    return made
