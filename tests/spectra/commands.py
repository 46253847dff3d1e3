"""How tests call `specops spectrum`, in this process and in one of its own, and the sets that they call it with."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import specops
from specops import cli

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(specops.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


def spectrum(*arguments: object) -> int:
    """Returns the exit code of the command in this process."""
    try:
        return cli.main(["spectrum", "--workers", "0", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)


def started(*arguments: object, script: str = "-m specops", **options: Any) -> subprocess.Popen[str]:
    """Returns the command, running in a process of its own, which Ctrl-C reaches even from a background job."""
    command = [sys.executable, *script.split(), "spectrum", *map(str, arguments)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    by_default = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, **pipes | options, preexec_fn=by_default)


def write_noise(
    folder: Path, gain: float = 1.0, n: int = 24, side: int = 32, suffix: str = "png", **options: Any
) -> Path:
    """Writes white noise, the same for each gain but for its deviation of 30 times that."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(n):
        noise = 127.5 + gain * 30 * random.standard_normal((side, side, 3))
        pixels = np.rint(noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.{suffix}", **options)
    return folder
