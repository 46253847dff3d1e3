"""The ops of specops as contracts: schema, checks, fake, gradients; kernels only replace their reference."""

from typing import TYPE_CHECKING

from specops.ops import resample, spectral
from specops.ops.registration import exported

if TYPE_CHECKING:
    from specops.ops.resample.contract import *  # noqa: F403
    from specops.ops.spectral.band_swap import *  # noqa: F403
    from specops.ops.spectral.contract import *  # noqa: F403
    from specops.ops.spectral.scaled import *  # noqa: F403

globals().update(exported)
__all__ = ["resample", "spectral", *exported]
