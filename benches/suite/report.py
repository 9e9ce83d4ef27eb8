"""Report: the table for people, in a terminal and in docs/performance.md, and JSON for programs."""

import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path

from suite.results import judge, rss_goal_bytes, speed_of
from suite.stand import DELAY_MS, RATE_BYTES

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def machine():
    """The machine, as far as it matters to the figures."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines()
                  if line.startswith("MemTotal:"))
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory.split()[1]) / (1 << 20)),
        "kernel": platform.release(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def amount(row, outcome):
    """What was reached, in the row's own unit."""
    if row.rate:
        fact, divisor, unit = row.rate
        count = outcome.facts.get(fact)
        if count:
            return f"{figure(count / divisor / outcome.seconds)} {unit}"
    return f"{figure(outcome.seconds)} s"


def figure(value):
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cell(results, row, name):
    outcome = results.median(row.name, name)
    if outcome is None:
        failure = results.failure(row.name, name)
        return "-" if not failure else failure.splitlines()[0][:40]
    ratio = speed_of(results, row, name)
    share = f" ({ratio:.2f})" if ratio and name != "raw" else ""
    return amount(row, outcome) + share


def goals_cell(results, row):
    parts = []
    for goal, value, met in judge(results, row):
        reached = "not measured" if value is None else figure(value)
        verdict = "" if met is None else (": met" if met else ": NOT met")
        parts.append(f"{goal.what} {goal.bound()}, is {reached}{verdict}")
    return "; ".join(parts) or "-"


def table(results, rows, names):
    """The head and the rows, as words."""
    head = ["work", *names, "goals for pailfs"]
    lines = [[row.title, *(cell(results, row, name) for name in names), goals_cell(results, row)]
             for row in rows]
    return head, lines


def costs(results, rows, names):
    """CPU seconds, peak memory and requests of each."""
    head = ["work", *names]
    lines = []
    for row in rows:
        cells = []
        for name in names:
            outcome = results.median(row.name, name)
            cells.append(cost(outcome) if outcome else "-")
        lines.append([row.title, *cells])
    return head, lines


def cost(outcome):
    words = [f"{outcome.cpu_seconds:.2f} s"]
    if outcome.rss_bytes:
        words.append(f"{outcome.rss_bytes >> 20} MiB")
    words += [f"{count} {kind}" for kind, count in outcome.requests.items()]
    return ", ".join(words)


def rss_line(results, memory_bytes):
    peak, goal = results.rss_peak_bytes("pailfs"), rss_goal_bytes(memory_bytes)
    if not peak:
        return "Peak memory of pailfs: not measured."
    verdict = "met" if peak <= goal else "NOT met"
    return (f"Peak memory of pailfs over all rows: {peak >> 20} MiB "
            f"(goal: <= {goal >> 20} MiB, --memory and 64 MiB: {verdict}).")


def as_text(head, lines):
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    rows = ["  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip()
            for line in [head, *lines]]
    return "\n".join(rows)


def as_markdown(head, lines):
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def measured(results, rows, names, facts):
    """The part of docs/performance.md that is made from a run."""
    where = facts["machine"]
    versions = "; ".join(facts["versions"].values())
    settings = facts["settings"]
    return "\n\n".join([
        f"Measured on {where['date']} on {where['cores']} cores of {where['cpu']}, "
        f"{where['memory_gib']} GiB, Linux {where['kernel']}; median of {settings['runs']}. "
        f"{versions}.",
        "In brackets: of the raw client's speed in the same run.",
        "![Speed beside a raw client](performance.svg)",
        as_markdown(*table(results, rows, names)),
        rss_line(results, settings["memory_bytes"]),
        "CPU seconds of the daemon (of the raw client: its own), its peak memory, and with latency the "
        "requests:",
        as_markdown(*costs(results, rows, names)),
    ])


def write_docs(path, text):
    """Puts the measured part between its marks."""
    before, rest = path.read_text().split(BEGIN, 1)
    _, after = rest.split(END, 1)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def as_json(results, rows, names, facts):
    """Everything that was measured."""
    listed = []
    for row in rows:
        contenders = {}
        for name in names:
            runs = results.outcomes.get((row.name, name), [])
            median = results.median(row.name, name)
            contenders[name] = {
                "median": asdict(median) if median else None,
                "of_raw_speed": speed_of(results, row, name),
                "failure": results.failure(row.name, name),
                "runs": [asdict(run) for run in runs],
            }
        goals = [{"what": goal.what, "bound": goal.bound(), "value": value, "met": met}
                 for goal, value, met in judge(results, row)]
        listed.append({"name": row.name, "title": row.title, "latency": row.latency,
                       "contenders": contenders, "goals": goals})
    peaks = {name: results.rss_peak_bytes(name) for name in names}
    network = {"delay_ms": DELAY_MS, "rate_bytes": RATE_BYTES}
    document = {**facts, "network": network, "sizes": asdict(results.sizes),
                "rss_peak_bytes": peaks, "rows": listed}
    return json.dumps(document, indent=1)
