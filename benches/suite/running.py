"""Running: every contender does a row once, then every one again, each on a fresh mount.

So whatever else the machine does in the meantime hits all of them.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from suite.contenders import CONTENDERS, Mount, Tools
from suite.results import Results
from suite.rows import Row, Sizes
from suite.stand import Failed, Stand, drop_caches

# A contender that takes longer is not waited for.
WORK_SECONDS_MAX = 120


@dataclass
class Run:
    """One row, done once by one contender: what `rows` works with."""

    stand: Stand
    sizes: Sizes
    row: Row
    # The mount, or none for the raw client.
    path: Path | None = None

    def raw(self, *words, connections=None):
        return self.stand.raw(*words, latency=self.row.latency, connections=connections)

    def unmeasured(self, *words):
        """Checks and tidies past the slow network."""
        return self.stand.raw(*words)

    def files(self, *words):
        return self.stand.files(*words, seconds_max=WORK_SECONDS_MAX)

    def program(self, *command):
        """Runs a program everybody has; gives what it took and what it printed."""
        return self.stand.timed(command, WORK_SECONDS_MAX)

    def local_file(self):
        """A file on this machine, with the content of the big object."""
        path = self.stand.folder / "local" / "big"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            self.stand.files("write", path, self.sizes.big)
        return path

    def local_folder(self, name, count, size):
        path = self.stand.folder / "local" / name
        if not path.exists():
            self.stand.files("make-many", path, count, size)
        return path


def run_raw(stand, sizes, row):
    return row.raw(Run(stand, sizes, row))


def run_mounted(stand, tools, sizes, row, contender):
    """One contender, once: a fresh mount, the work, the check."""
    options = row.options.get(contender.name, ())
    kept = stand.folder / f"kept-{row.name}-{contender.name}" if row.before else None

    def mount():
        return Mount(stand, tools, contender, stand.url(row), options, kept)

    if row.before:
        with mount() as mounted:
            row.before(Run(stand, sizes, row, mounted.path))
    drop_caches()
    with mount() as mounted:
        run = Run(stand, sizes, row, mounted.path)
        cpu, counts = mounted.cpu_seconds(), stand.counts()
        outcome = row.work(run)
        outcome.cpu_seconds = mounted.cpu_seconds() - cpu
        outcome.requests = difference(counts, stand.counts()) if row.latency else {}
        outcome.rss_bytes = mounted.rss_peak_bytes()
        if row.check:
            row.check(run)
    return outcome


def difference(before, after):
    counts = {kind: count - before["requests"].get(kind, 0)
              for kind, count in after["requests"].items()}
    return {kind: count for kind, count in counts.items() if count}


def run_row(stand, tools, sizes, row, names, runs, results):
    """All runs of a row, interleaved; who fails once is not asked again."""
    taking_part = [name for name in names if not row.contenders or name in ("raw", *row.contenders)]
    mounting = {contender.name: contender for contender in CONTENDERS}
    for number in range(runs):
        for name in taking_part:
            if results.failure(row.name, name):
                continue
            try:
                if name == "raw":
                    outcome = run_raw(stand, sizes, row)
                else:
                    outcome = run_mounted(stand, tools, sizes, row, mounting[name])
            except Failed as reason:
                results.fail(row.name, name, str(reason))
                say(f"{row.name:18} {name:8} run {number + 1}: {reason}")
                continue
            results.add(row.name, name, outcome)
            say(f"{row.name:18} {name:8} run {number + 1}: {outcome.seconds:8.3f} s, "
                f"CPU {outcome.cpu_seconds:6.2f} s, {outcome.rss_bytes >> 20:5} MiB, "
                f"{outcome.requests or ''}")


def run_all(stand, tools: Tools, sizes, rows, names, runs):
    results = Results(sizes=sizes)
    for row in rows:
        run_row(stand, tools, sizes, row, names, runs, results)
    return results


def say(text):
    print(text, file=sys.stderr, flush=True)
