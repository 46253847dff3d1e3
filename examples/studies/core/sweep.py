"""Many runs of scripts, a few at a time, each with one thread; a sweep that was stopped goes on where it was."""

from __future__ import annotations

import csv
import fcntl
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studies.core.record.folder import CONFIG, METRICS, REPORT, Config, read_config

from .errors import InputError, TrainingError

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Job:
    """A run: a script that takes `--out`, `--threads` and `--resume`, its further arguments, and its folder.

    Where the number of its `steps` is given, a run that ended at another one is not finished. `settings` are, by
    folder, what config.json there records of a run with these arguments: the job takes no other run for its own.
    """

    script: Path
    arguments: tuple[str, ...]
    folder: Path
    steps: int | None = None
    settings: Mapping[Path, Config] = field(default_factory=dict, compare=False)

    @property
    def is_finished(self) -> bool:
        """Whether the run has written its report, which comes last, and has reached its last step."""
        if not (self.folder / REPORT).is_file():
            return False
        if self.steps is None:
            return True
        with (self.folder / METRICS).open(newline="") as file:
            return max(int(row["step"]) for row in csv.DictReader(file)) == self.steps

    def check(self) -> None:
        """Raise InputError where a folder of the job holds a run of other settings, finished or not.

        A setting that is not in a record was not there yet when the run was made, and is not compared.
        """
        for folder, asked in self.settings.items():
            if not (folder / CONFIG).is_file():
                continue
            found = read_config(folder / CONFIG)
            pairs = [(name, found[name], value) for name, value in asked.items() if name in found]
            differing = [f"{name} {recorded!r}, not {value!r}" for name, recorded, value in pairs if recorded != value]
            if differing:
                raise InputError(f"{folder} holds a run of other settings: {'; '.join(differing)}; give another --out")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the run or go on with it, when nothing else is at work on it; what it prints goes to `log`."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(self.script), *self.arguments]
        command += ["--out", str(self.folder), "--threads", "1", "--resume"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with open(self.folder.with_name(f"{self.folder.name}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with open(self.log, "wb") as log:
                # The run inherits the lock: it outlives this process if that is killed, and the lock with it.
                return subprocess.Popen(command, stdout=log, stderr=log, env=environment, pass_fds=[lock.fileno()])

    @property
    def log(self) -> Path:
        """Where the last start's output is."""
        return self.folder.with_name(f"{self.folder.name}.log")


def as_options(settings: Config) -> tuple[str, ...]:
    """Settings as command line options: `--eval-every 50` for eval_every, `--highpass` alone for what is True."""
    options: list[str] = []
    for name, value in settings.items():
        options.append(f"--{name.replace('_', '-')}")
        options += [] if value is True else [str(value)]
    return tuple(options)


def run_all(jobs: Sequence[Job], *, at_once: int = 2) -> None:
    """Run what is not finished, `at_once` at a time, in order; raises TrainingError at the first that fails.

    Runs that are under way are ended then, and when interrupted; their checkpoints stay. Raises InputError before
    anything is started where the folder of a job holds a run of other settings.
    """
    for job in jobs:
        job.check()
    waiting = [job for job in jobs if not job.is_finished]
    start, done = time.perf_counter(), len(jobs) - len(waiting)
    running: dict[Job, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[job] = job.start()
            time.sleep(_POLL_SECONDS)
            for job in [job for job, process in running.items() if process.poll() is not None]:
                if running.pop(job).returncode or not job.is_finished:
                    raise TrainingError(f"run {job.folder} failed: {_last_line(job.log)}; see {job.log}")
                done += 1
                minutes = (time.perf_counter() - start) / 60
                print(f"{done} of {len(jobs)} runs after {minutes:.1f} min: {job.folder}", flush=True)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()


def effort(folders: Sequence[Path]) -> str:
    """How long the finished runs in `folders` trained, and on what, this machine being theirs: "9 minutes of …"."""
    seconds, versions = 0.0, set()
    for folder in folders:
        with (folder / METRICS).open(newline="") as file:
            seconds += max(float(row["seconds"]) for row in csv.DictReader(file))
        versions.add(read_config(folder / CONFIG)["versions"]["torch"])
    torch = " and ".join(sorted(versions))
    return f"{seconds / 60:.0f} minutes of training in all, on {processor()}, torch {torch}, one thread a run"


def processor() -> str:
    """Name of the processor, with family and model where the system tells them."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    name = fields.get("model name", platform.machine())
    return f"{name} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it printed nothing")
