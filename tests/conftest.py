"""What all tests share: threads as found are put back, and where the published codes' values lie, if they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"


@pytest.fixture(autouse=True)
def _threads_put_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def schwarz() -> dict[str, np.ndarray]:
    """Values of the published code of Schwarz et al. 2021."""
    path = GOLDEN / "schwarz_part.npz"
    if not path.exists():
        pytest.skip("the published codes' values (schwarz_part.npz) are not beside this checkout")
    with np.load(path) as file:
        return dict(file)
