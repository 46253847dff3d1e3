"""The one place where CUDA kernels are launched, so that the tests can run them without a GPU."""

from __future__ import annotations

from typing import Any

import torch


def launch(name: str, *args: Any) -> None:
    """Calls the raw op specops_native::launch_<name>, which writes its results into tensors among `args`.

    A GPU is not needed by the callers of this function: they make plans and outputs on the device of their arguments.
    """
    getattr(torch.ops.specops_native, f"launch_{name}")(*args)
