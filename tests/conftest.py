"""What all tests share: one seed, threads put back as found, the published codes' values, and the parts of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from published import published

# Without a time limit per example (machines are shared), and with the same examples in every run.
hypothesis.settings.register_profile("reproducible", deadline=None, derandomize=True)
hypothesis.settings.load_profile("reproducible")

GPU = Path(__file__).parent / "gpu"


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow tests of GPU kernels are the part `make test-gpu`."""
    for item in items:
        if GPU in item.path.parents and item.get_closest_marker("slow"):
            item.add_marker("emulated_gpu")
