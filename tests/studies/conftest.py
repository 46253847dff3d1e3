"""Figures are not drawn but where they are looked at, and pictures to train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from specops.report import figures


@pytest.fixture(scope="module", autouse=True)
def _undrawn(request: pytest.FixtureRequest) -> Iterator[None]:
    """Empty files for figures, which take most of a small run's time; modules with DRAWN = True have real ones."""
    with pytest.MonkeyPatch.context() as patch:
        if not getattr(request.module, "DRAWN", False):
            patch.setattr(figures, "_save", lambda figure, format: b"not drawn")
        yield


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three images [3, 8, 8]: with batches of two, the random order matters."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(3):
        np.save(folder / f"{number}.npy", np.random.default_rng(number).uniform(-1, 1, (3, 8, 8)))
    return folder
