"""What all tests share: torch's own warnings, one seed, threads put back as found, and the published codes' values."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import numpy as np
import pytest
import torch
from published import published
from torch.torch_version import TorchVersion

# Without a time limit per example (machines are shared), and with the same examples in every run.
hypothesis.settings.register_profile("reproducible", deadline=None, derandomize=True)
hypothesis.settings.load_profile("reproducible")

# Warnings of torch itself that are no errors: from which version on, of what text and class, and where they come from.
WARNINGS_OF_TORCH = (
    ("2.10", "`torch.jit.", "torch loads forward derivatives or inductor, and tests trace programs"),
    ("2.10", "Attempting to run cuFFT, but there was no current CUDA context", "a thread of torch's autograd"),
    ("2.15", "The .grad attribute of a Tensor that is not a leaf:UserWarning", "AOTAutograd looks at a graph's inputs"),
)


def pytest_configure(config: pytest.Config) -> None:
    for oldest, warning, _ in WARNINGS_OF_TORCH:
        if TorchVersion(torch.__version__) >= oldest:
            config.addinivalue_line("filterwarnings", f"ignore:{warning}")


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
