"""What all tests share: one seed, threads put back as found, and the published codes' values."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import numpy as np
import pytest
import torch
from published import published

# Without a time limit per example (machines are shared), and with the same examples in every run.
hypothesis.settings.register_profile("reproducible", deadline=None, derandomize=True)
hypothesis.settings.load_profile("reproducible")


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
    return published("schwarz_part.npz")


@pytest.fixture(scope="session")
def fixes() -> dict[str, np.ndarray]:
    """Values of the published codes of HFC and HFF, radial profiles, leakage, focal frequency loss and blur pooling."""
    return published("fixes_part.npz")
