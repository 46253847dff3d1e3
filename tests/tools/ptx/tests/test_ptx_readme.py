"""The README's example runs as printed, and its message is that of the kernel without its barrier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pages import blocks
from ptx import Module, PtxError

HERE = Path(__file__).parent
README = (HERE.parent / "README.md").read_text()
MIRROR = (HERE / "mirror.ptx").read_text()


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    (example,) = blocks(README, "python")
    exec(example, {})


def test_the_message_is_that_of_a_missing_barrier() -> None:
    x, y = np.zeros((2, 256), np.float32)
    x[:] = np.arange(256)
    with pytest.raises(PtxError) as raised:
        Module(MIRROR.replace("bar.sync", "// bar.sync")).kernel("mirror").launch(4, 64, [x, y])
    assert blocks(README) == [f"{raised.value}\n"]
