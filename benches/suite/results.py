"""Results: the median of the runs, and how it compares with the goals."""

from dataclasses import dataclass, field

from suite.rows import RSS_BEYOND_BYTES, Sizes
from suite.stand import Outcome


@dataclass
class Results:
    """Outcomes by row and contender."""

    sizes: Sizes
    outcomes: dict = field(default_factory=dict)
    failures: dict = field(default_factory=dict)

    def add(self, row, name, outcome):
        self.outcomes.setdefault((row, name), []).append(outcome)

    def fail(self, row, name, reason):
        self.failures[row, name] = reason

    def failure(self, row, name):
        return self.failures.get((row, name))

    def failure_of(self, name):
        """Whether it failed in any row."""
        return any(who == name for _, who in self.failures)

    def median(self, row, name):
        """The run whose time is the median; the other figures are of the same run."""
        runs = sorted(self.outcomes.get((row, name), ()), key=lambda outcome: outcome.seconds)
        return runs[len(runs) // 2] if runs and not self.failure(row, name) else None

    def rss_peak_bytes(self, name):
        """Over all rows and runs."""
        peaks = [outcome.rss_bytes for (_, who), runs in self.outcomes.items() if who == name
                 for outcome in runs]
        return max(peaks, default=0)


@dataclass
class Judged:
    """One contender's median in one row, with all that a goal compares it with."""

    results: Results
    row: str
    name: str

    @property
    def sizes(self):
        return self.results.sizes

    @property
    def mine(self) -> Outcome:
        return self.median(self.row)

    @property
    def raw(self) -> Outcome:
        return needed(self.results.median(self.row, "raw"))

    def median(self, row) -> Outcome:
        return needed(self.results.median(row, self.name))

    def without_latency(self) -> Outcome:
        return self.median(self.row.removesuffix("-latency"))


class Missing(Exception):
    """What a goal compares with was not measured."""


def needed(outcome):
    if outcome is None:
        raise Missing
    return outcome


def judge(results, row, name="pailfs"):
    """Each goal of a row with what was reached: (goal, value or None, met or None)."""
    judged = []
    for goal in row.goals:
        try:
            value = goal.value(Judged(results, row.name, name))
        except Missing:
            judged.append((goal, None, None))
            continue
        judged.append((goal, value, goal.met(value)))
    return judged


def speed_of(results, row, name):
    """Of raw's speed, where both were measured."""
    mine, raw = results.median(row.name, name), results.median(row.name, "raw")
    return raw.seconds / mine.seconds if mine and raw and mine.seconds else None


def rss_goal_bytes(memory_bytes):
    return memory_bytes + RSS_BEYOND_BYTES
