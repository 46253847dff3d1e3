"""Values of the published codes, where they are beside this checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"


def published(name: str) -> dict[str, np.ndarray]:
    """The arrays of a file of them; the test is skipped where it is missing."""
    path = GOLDEN / name
    if not path.exists():
        pytest.skip(f"the published codes' values ({name}) are not beside this checkout")
    with np.load(path) as file:
        return dict(file)
