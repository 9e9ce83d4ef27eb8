"""Rows: the work that is measured, by the raw client and on a mount, and what is to be reached.

A row's `raw` is the same work by the least that S3 costs; `work` does it on a mount and raises
where the result is not right. What follows the watch (`check`, `tidy`) is not measured.
"""

import time
from dataclasses import dataclass, field
from typing import Callable

from suite.stand import DELAY_MS, Failed

MIB = 1 << 20
GIB = 1 << 30
SMALL_BYTES = 16 << 10
LISTED_BYTES = 10 << 10
PAGE_KEYS = 1000
# What S3 says of an object that is younger may change again and keep its date: nobody relies on it.
SETTLED_SECONDS = 3
# So long the warm reads go on.
WARM_SECONDS = 0.5
# More than the memory that is named; for code, tables and what is under way.
RSS_BEYOND_BYTES = 64 * MIB


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything."""

    big: int = GIB
    small: int = 500
    flat: int = 10_000
    tree: int = 100
    streams: int = 64
    stream: int = 32 * MIB
    opened: int = 1000
    random_alone: int = 2000
    random_together: int = 16_000

    @staticmethod
    def quick(big):
        """Enough to see that everything works."""
        return Sizes(big=big, small=100, flat=2000, tree=20, streams=64, stream=4 * MIB, opened=200,
                     random_alone=500, random_together=2000)


@dataclass(frozen=True)
class Goal:
    """What a figure is to be: at least or at most this; `value` takes a `results.Judged`."""

    what: str
    value: Callable
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value):
        return value >= self.at_least if self.at_most is None else value <= self.at_most

    def bound(self):
        return f">= {self.at_least:g}" if self.at_most is None else f"<= {self.at_most:g}"


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    raw: Callable
    work: Callable
    latency: bool = False
    # All but the raw client, which has none, over TLS.
    tls: bool = False
    goals: tuple = ()
    # Who takes part; all where it is empty.
    contenders: tuple = ()
    # What a contender is told besides its usual settings.
    options: dict = field(default_factory=dict)
    # What was counted, and how to say how much a second: (fact, divisor, unit).
    rate: tuple | None = None
    # A mount before the one that is measured, with the same state.
    before: Callable | None = None
    check: Callable | None = None


def speed(goal):
    return Goal("of raw's speed", lambda judged: judged.raw.seconds / judged.mine.seconds,
                at_least=goal)


def time_beside_raw(goal):
    return Goal("of raw's time", lambda judged: judged.mine.seconds / judged.raw.seconds,
                at_most=goal)


def seconds(goal):
    return Goal("s", lambda judged: judged.mine.seconds, at_most=goal)


def cpu(goal):
    def value(judged):
        return judged.mine.cpu_seconds / (judged.mine.facts["bytes"] / GIB)
    return Goal("CPU s/GiB", value, at_most=goal)


def requests_per_file(goal):
    """A request a file, and a few for the mount and the directory."""
    def value(judged):
        return sum(judged.mine.requests.values()) / judged.sizes.small
    return Goal("requests a file", value, at_most=goal)


def rounds(keys):
    """Round trips in sequence: what the latency adds, in delays. A listing that nobody split has
    a round trip a page."""
    def value(judged):
        quick = judged.without_latency()
        return max(0, judged.mine.seconds - quick.seconds) / (DELAY_MS / 1000)
    return Goal("round trips", value, at_most=keys / PAGE_KEYS / 8)


def slowest_to_fastest(judged):
    ends = judged.mine.facts["stream_seconds"]
    return min(ends) / max(ends)


def of_one_stream(judged):
    """What all streams together reach, beside one alone."""
    alone = judged.median("read")
    rate, rate_alone = (run.facts["bytes"] / run.seconds for run in (judged.mine, alone))
    return rate / rate_alone


def expect(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what}: {found}, not {wanted}")


# What the rows do takes a `running.Run`.

def raw_list(prefix, wanted):
    def work(run):
        outcome = run.raw("list", prefix)
        expect("listed", outcome.facts["count"], wanted(run.sizes))
        return outcome
    return work


def raw_tree(run):
    """Whichever is faster: one listing of all that is below, or one of each directory."""
    outcomes = [run.raw("list", "tree/"), run.raw("list-tree", "tree/")]
    for outcome in outcomes:
        expect("listed", outcome.facts["count"], run.sizes.tree ** 2)
    return min(outcomes, key=lambda outcome: outcome.seconds)


def raw_cp(run):
    outcome = run.raw("put-many", "copied/", run.sizes.small, SMALL_BYTES, connections=1)
    run.unmeasured("delete-many", "copied/")
    return outcome


def raw_write(run):
    outcome = run.raw("put", "written", run.sizes.big)
    run.unmeasured("delete-many", "written")
    return outcome


def raw_kernel(run):
    """What the kernel has in its page cache, of a file on this machine."""
    return warm(run, run.local_file())


def warm(run, path):
    outcome = run.files(
        "random", path, run.sizes.big, run.sizes.random_alone, "--warm-for", WARM_SECONDS)
    outcome.seconds = outcome.facts["warm_seconds"]
    outcome.cpu_seconds = 0.0
    return outcome


def check_written(run):
    run.unmeasured("get", "written", run.sizes.big)
    run.unmeasured("delete-many", "written")


def check_copied(run):
    run.unmeasured("get-many", "copied/", run.sizes.small, SMALL_BYTES)
    run.unmeasured("delete-many", "copied/")


def ls(run):
    outcome, output = run.program("ls", "-l", run.path / "flat")
    expect("lines of ls", len(output.splitlines()) - 1, run.sizes.flat)
    return outcome


def find(run):
    outcome, output = run.program("find", run.path / "tree", "-type", "f")
    expect("lines of find", len(output.splitlines()), run.sizes.tree ** 2)
    return outcome


def cp(run):
    source = run.local_folder("copied", run.sizes.small, SMALL_BYTES)
    outcome, _ = run.program("cp", "-r", source, run.path)
    outcome.facts = {"count": run.sizes.small}
    return outcome


def beside_both(name, title, **row):
    """A row without latency and the same with it."""
    plain = dict(row)
    goals, slow_goals = plain.pop("goals"), plain.pop("slow_goals")
    return (
        Row(name, title, goals=goals, **plain),
        Row(f"{name}-latency", f"{title}, latency", latency=True, goals=slow_goals, **plain),
    )


MIB_RATE = ("bytes", MIB, "MiB/s")
COUNT_RATE = ("count", 1, "/s")
# What rclone recommends for reading here and there.
RANDOM = {"rclone": ["--vfs-read-chunk-size", "64k", "--vfs-read-chunk-streams", "0",
                     "--buffer-size", "0"]}
# What a listing tells is all that is shown.
LISTING_ALONE = {"pailfs": ["--posix-dialect", "none"], "rclone": ["--use-server-modtime"]}

# What is read and written in order: with latency, and over TLS, as well.
READ = {
    "raw": lambda run: run.raw("get", "big", run.sizes.big),
    "work": lambda run: run.files("read", run.path / "big", run.sizes.big),
    "rate": MIB_RATE,
}
WRITE = {
    "raw": raw_write,
    "work": lambda run: run.files("write", run.path / "written", run.sizes.big),
    "check": check_written,
    "rate": MIB_RATE,
}

ROWS = (
    *beside_both(
        "read", "read 1 GiB, cold", goals=(speed(0.45), cpu(0.6)), slow_goals=(speed(0.9),), **READ),
    Row("read-tls", "read 1 GiB, cold, TLS (raw: without)", tls=True, **READ),
    *beside_both(
        "write", "write 1 GiB until durable", goals=(speed(0.4), cpu(0.7)), slow_goals=(speed(0.9),),
        **WRITE),
    Row("write-tls", "write 1 GiB until durable, TLS (raw: without)", tls=True, **WRITE),
    Row(
        "random-1", "random 4 KiB reads, cold, 1 job",
        raw=lambda run: run.raw("random", "big", run.sizes.big, run.sizes.random_alone, connections=1),
        work=lambda run: run.files("random", run.path / "big", run.sizes.big, run.sizes.random_alone),
        goals=(speed(0.4),), options=RANDOM, rate=COUNT_RATE,
    ),
    Row(
        "random-16", "random 4 KiB reads, cold, 16 jobs",
        raw=lambda run: run.raw(
            "random", "big", run.sizes.big, run.sizes.random_together, connections=16),
        work=lambda run: run.files(
            "random", run.path / "big", run.sizes.big, run.sizes.random_together, "--jobs", 16),
        goals=(speed(0.4),), options=RANDOM, rate=COUNT_RATE,
    ),
    Row(
        "random-warm", "random 4 KiB reads, warm, 1 job (raw: a local file)",
        raw=raw_kernel,
        work=lambda run: warm(run, run.path / "big"),
        goals=(speed(0.5),), options=RANDOM, rate=COUNT_RATE,
    ),
    Row(
        "small-read", "16 readers of 500 small files, latency", latency=True,
        raw=lambda run: run.raw("get-many", "small/", run.sizes.small, SMALL_BYTES, connections=16),
        work=lambda run: run.files(
            "read-many", run.path / "small", run.sizes.small, SMALL_BYTES, "--jobs", 16),
        goals=(time_beside_raw(1.1), requests_per_file(1.02)), rate=COUNT_RATE,
    ),
    Row(
        "small-copy", "cp -r of 500 small files, latency", latency=True,
        raw=raw_cp, work=cp, check=check_copied,
        goals=(time_beside_raw(1.15), requests_per_file(1.02)), rate=COUNT_RATE,
    ),
    *beside_both(
        "ls", "ls -l of 10,000, never seen",
        raw=raw_list("flat/", lambda sizes: sizes.flat), work=ls,
        goals=(seconds(0.2),), slow_goals=(rounds(10_000),),
    ),
    *beside_both(
        "ls-again", "ls -l of 10,000, attributes remembered by an earlier mount",
        raw=raw_list("flat/", lambda sizes: sizes.flat), work=ls, before=ls,
        contenders=("pailfs",), goals=(seconds(0.2),), slow_goals=(rounds(10_000),),
    ),
    *beside_both(
        "ls-listed", "ls -l of 10,000, only what a listing tells",
        raw=raw_list("flat/", lambda sizes: sizes.flat), work=ls, options=LISTING_ALONE,
        contenders=("pailfs", "rclone"), goals=(seconds(0.2),), slow_goals=(rounds(10_000),),
    ),
    *beside_both(
        "find", "find in 100 directories of 100",
        raw=raw_tree, work=find, goals=(seconds(0.2),), slow_goals=(rounds(10_000),),
    ),
    Row(
        "first-byte", "first byte of 1 GiB, latency", latency=True,
        raw=lambda run: run.raw("first", "big"),
        work=lambda run: run.files("first", run.path / "big"),
        goals=(time_beside_raw(1.3),),
    ),
    Row(
        "streams", "64 streams of 32 MiB at once",
        raw=lambda run: run.raw(
            "streams", "streams/", run.sizes.streams, run.sizes.stream,
            connections=run.sizes.streams),
        work=lambda run: run.files(
            "streams", run.path / "streams", run.sizes.streams, run.sizes.stream),
        goals=(Goal("of one stream's throughput", of_one_stream, at_least=0.9),
               Goal("fastest to slowest", slowest_to_fastest, at_least=0.5)),
        rate=MIB_RATE,
    ),
    Row(
        "open", "1,000 files open at once",
        raw=lambda run: run.raw("get-many", "opened/", run.sizes.opened, SMALL_BYTES, connections=16),
        work=lambda run: run.files("open-many", run.path / "opened", run.sizes.opened),
        rate=COUNT_RATE,
    ),
)


def make_objects(stand, sizes, names):
    """Puts what the rows read; each of them once."""
    wanted = {
        "big": (("read", "random", "first"), ("put", "big", sizes.big)),
        "small": (("small-read",), ("put-many", "small/", sizes.small, SMALL_BYTES)),
        "flat": (("ls",), ("put-many", "flat/", sizes.flat, LISTED_BYTES)),
        "tree": (("find",), ("put-tree", "tree/", sizes.tree, sizes.tree, LISTED_BYTES)),
        "opened": (("open",), ("put-many", "opened/", sizes.opened, SMALL_BYTES)),
    }
    for starts, command in wanted.values():
        if any(name.startswith(starts) for name in names):
            stand.raw(*command)
    if "streams" in names:
        for index in range(sizes.streams):
            stand.raw("put", f"streams/{index:06}", sizes.stream)
    time.sleep(SETTLED_SECONDS)
