"""What all tests share: threads as found are put back, and where the published codes' values lie, if they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

# Without a time limit per example (machines are shared), and with the same examples in every run.
hypothesis.settings.register_profile("reproducible", deadline=None, derandomize=True)
hypothesis.settings.load_profile("reproducible")

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"


@pytest.fixture(autouse=True)
def _threads_put_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def published(name: str) -> dict[str, np.ndarray]:
    path = GOLDEN / name
    if not path.exists():
        pytest.skip(f"the published codes' values ({name}) are not beside this checkout")
    with np.load(path) as file:
        return dict(file)


@pytest.fixture(scope="session")
def schwarz() -> dict[str, np.ndarray]:
    """Values of the published code of Schwarz et al. 2021."""
    return published("schwarz_part.npz")


@pytest.fixture(scope="session")
def fixes() -> dict[str, np.ndarray]:
    """Values of the published codes of HFC and HFF, radial profiles, leakage, focal frequency loss and blur pooling."""
    return published("fixes_part.npz")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow tests of GPU kernels, executed without a GPU, are those of `make test-gpu`."""
    for item in items:
        if "gpu" in str(item.path.relative_to(item.config.rootpath)) and item.get_closest_marker("slow"):
            item.add_marker("emulated_gpu")
