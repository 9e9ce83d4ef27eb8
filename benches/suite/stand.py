"""The stand: a server with its objects, the slow network before it, and what processes cost.

Everything that is started here ends with it, however the bench ends.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ACCESS_KEY, SECRET_KEY, REGION, BUCKET = "bench", "benchbench", "us-east-1", "bench"

# The network of the rows with latency.
DELAY_MS = 15
RATE_BYTES = 80_000_000

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 20
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A contender did not do what was asked; the text says why."""


class TooSlow(Failed):
    """A contender was not done in time."""


@dataclass
class Outcome:
    """What one run of one row by one contender took."""

    seconds: float
    # Of the daemon; of a raw client its own, which has no daemon.
    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    # By kind, where the network counts them.
    requests: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(ready, what, seconds_max=START_SECONDS_MAX):
    """Waits until `ready()` is true; it raises where that will never be."""
    until = time.monotonic() + seconds_max
    while not ready():
        if time.monotonic() > until:
            raise Failed(f"{what}: not ready after {seconds_max} s")
        time.sleep(0.01)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(pid):
    """User and system time of a process, threads that ended included."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / CLOCK_TICKS


def rss_peak_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def stop(process):
    """Ends a process that was started here, in peace if it can."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS_MAX)
    if process.poll() is None:
        process.kill()
        process.wait()


def drop_caches():
    """Empties the page cache; without the right to do so a fresh mount is cold all the same."""
    os.sync()
    with contextlib.suppress(PermissionError):
        Path("/proc/sys/vm/drop_caches").write_text("3")


class Stand:
    """A server and a slow network, and a folder for all that comes up."""

    def __init__(self, binaries, connections):
        self.binaries = Path(binaries)
        self.connections = connections
        self.folder = Path(tempfile.mkdtemp(prefix="pailfs-bench-"))
        self.processes = []
        self.port, self.slow_port, self.control_port = free_port(), free_port(), free_port()
        self.tls_port = free_port()

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        keys = ["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]
        listen = f"127.0.0.1:{self.port}"
        self.start([self.binaries / "pailfs", "serve", "--data", ":memory:", "--listen", listen, *keys])
        wait_for(lambda: listens(self.port), "the server")
        self.start([
            self.binaries / "bench-proxy", "--server", listen,
            "--listen", f"127.0.0.1:{self.slow_port}",
            "--control", f"127.0.0.1:{self.control_port}",
            "--delay-ms", str(DELAY_MS), "--rate", str(RATE_BYTES),
        ])
        wait_for(lambda: listens(self.slow_port) and listens(self.control_port), "the proxy")
        self._start_tls()
        self.raw("make-bucket")

    def _start_tls(self):
        """The same server behind a TLS that is not ours."""
        key, settings = self.folder / "key.pem", self.folder / "stunnel.conf"
        self.timed([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-keyout", key, "-out", self.certificate, "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE",
        ], START_SECONDS_MAX)
        settings.write_text(
            f"foreground = yes\npid =\n[s3]\naccept = 127.0.0.1:{self.tls_port}\n"
            f"connect = 127.0.0.1:{self.port}\ncert = {self.certificate}\nkey = {key}\n")
        self.start(["stunnel", settings])
        wait_for(lambda: listens(self.tls_port), "stunnel")

    @property
    def certificate(self):
        return self.folder / "certificate.pem"

    def start(self, command, **options):
        log = (self.folder / f"log-{len(self.processes)}").open("wb")
        command = [str(word) for word in command]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **options)
        process.log = Path(log.name)
        self.processes.append(process)
        return process

    def endpoint(self, latency):
        return f"127.0.0.1:{self.slow_port if latency else self.port}"

    def url(self, row):
        if row.tls:
            return f"https://127.0.0.1:{self.tls_port}"
        return f"http://{self.endpoint(row.latency)}"

    def raw(self, *words, latency=False, connections=None):
        """Runs the raw client."""
        command = [
            self.binaries / "bench-raw", *words, "--endpoint", self.endpoint(latency),
            "--connections", connections or self.connections,
        ]
        return self.run(command)

    def files(self, *words, seconds_max=600):
        """Does the same work on files."""
        return self.run([self.binaries / "bench-files", *words], seconds_max=seconds_max)

    def run(self, command, seconds_max=600):
        """Runs a program that reports in JSON."""
        outcome, output = self.timed(command, seconds_max)
        report = json.loads(output)
        outcome.seconds = report["seconds"]
        outcome.facts = report.get("facts") or {}
        if "requests" in report:
            outcome.requests = {"requests": report["requests"]}
        return outcome

    def timed(self, command, seconds_max):
        """Runs any program; gives what it took and what it printed."""
        command = [str(word) for word in command]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            output, errors = process.communicate(timeout=seconds_max)
        except subprocess.TimeoutExpired:
            # It may hang in a mount; it ends when that does.
            process.kill()
            raise TooSlow(f"not done after {seconds_max} s") from None
        except BaseException:
            process.kill()
            raise
        seconds = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode != 0:
            raise Failed(f"{Path(command[0]).name}: {errors.strip()[-500:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Outcome(seconds=seconds, cpu_seconds=cpu), output

    def counts(self):
        """What went over the slow network since the beginning, by kind."""
        with socket.create_connection(("127.0.0.1", self.control_port)) as control:
            return json.loads(control.makefile().read())
