"""Contenders: how each mounts the bucket, with settings for speed that its manual names.

The raw client is none of these: it mounts nothing. Where a setting of a peer only suits some
rows, the row has it (`Row.options`).
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from suite.stand import (
    ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Failed, cpu_seconds, rss_peak_bytes, stop, wait_for,
)

KEYS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
# How each is told whom to trust.
TRUST = ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "RCLONE_CA_CERT")


@dataclass(frozen=True)
class Contender:
    name: str
    # From the tools, the server's URL, the mountpoint and a folder of its own to the command.
    command: Callable
    version: Callable


@dataclass(frozen=True)
class Tools:
    """Where the programs are, and what all of them are told."""

    pailfs: Path
    rclone: Path
    connections: int
    memory: str


def pailfs(tools, url, path, folder):
    return [
        tools.pailfs, "mount", BUCKET, path, "--foreground", "--endpoint-url", url,
        "--region", REGION, "--state-dir", folder, "--memory", tools.memory,
    ]


def s3fs(tools, url, path, folder):
    passwords = folder / "passwd"
    passwords.write_text(f"{ACCESS_KEY}:{SECRET_KEY}\n")
    passwords.chmod(0o600)
    options = [
        f"url={url}", f"endpoint={REGION}", f"passwd_file={passwords}",
        "use_path_request_style", "sigv4", f"tmpdir={folder}",
        f"parallel_count={tools.connections}", "multipart_size=8", "multireq_max=500",
        "max_stat_cache_size=200000", "stat_cache_expire=3600", "enable_noobj_cache",
        "dbglevel=err",
    ]
    return ["s3fs", BUCKET, path, "-f", *(word for option in options for word in ("-o", option))]


def rclone(tools, url, path, folder):
    return [
        tools.rclone, "mount", f":s3:{BUCKET}", path, "--config", "", "--cache-dir", folder,
        "--s3-provider", "Other", "--s3-endpoint", url, "--s3-region", REGION,
        "--s3-access-key-id", ACCESS_KEY, "--s3-secret-access-key", SECRET_KEY,
        "--s3-force-path-style", "--s3-no-check-bucket",
        "--s3-chunk-size", "8M", "--s3-upload-concurrency", str(tools.connections),
        "--transfers", str(tools.connections), "--checkers", str(tools.connections),
        "--vfs-cache-mode", "off", "--vfs-read-chunk-size", "8M",
        "--vfs-read-chunk-streams", str(tools.connections), "--dir-cache-time", "1h",
    ]


def first_line(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[0].strip()


CONTENDERS = (
    Contender("pailfs", pailfs, lambda tools: first_line([tools.pailfs, "--version"])),
    Contender("s3fs", s3fs, lambda tools: first_line(["s3fs", "--version"])),
    Contender("rclone", rclone, lambda tools: first_line([tools.rclone, "version"])),
)


class Mount:
    """A mount of one contender, until the block ends."""

    def __init__(self, stand, tools, contender, url, options=(), kept=None):
        self.stand, self.contender = stand, contender
        # What is kept outlives the mount, and is kept by mountpoint.
        self.kept = kept is not None
        self.folder = Path(kept or tempfile.mkdtemp(dir=stand.folder))
        self.path, state = self.folder / "mount", self.folder / "state"
        for folder in (self.path, state):
            folder.mkdir(parents=True, exist_ok=True)
        self.command = [
            *contender.command(tools, url, self.path, state), *options,
        ]
        self.process = None

    def __enter__(self):
        trust = dict.fromkeys(TRUST, str(self.stand.certificate))
        environment = {**os.environ, **KEYS, **trust}
        self.process = self.stand.start(self.command, env=environment)
        try:
            wait_for(self._ready, self.contender.name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.contender.name} ended: {self.process.log.read_text()[-500:]}")
        return os.path.ismount(self.path)

    def __exit__(self, *_):
        """In peace, so that what is kept is whole; else by force, and who hangs in it is let go."""
        stop(self.process)
        self.stand.processes.remove(self.process)
        # Dead mounts are no mountpoints to `ismount`; one that is gone is not detached again.
        detach = ["umount", "--lazy"] if os.geteuid() == 0 else ["fusermount3", "-uz"]
        subprocess.run([*detach, str(self.path)], stderr=subprocess.DEVNULL)
        if not self.kept:
            self._remove()

    def _remove(self):
        """Only what is no mount any more: what it shows is not ours to remove."""
        with contextlib.suppress(OSError):
            self.path.rmdir()
            shutil.rmtree(self.folder)

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def rss_peak_bytes(self):
        return rss_peak_bytes(self.process.pid)
