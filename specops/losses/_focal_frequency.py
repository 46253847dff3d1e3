"""The focal frequency loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specops import geometry, ops
from specops._tracing import traced
from specops.functional._options import integer
from specops.ops._checks import check_pair, check_real, number
from specops.ops._layout import compute_dtype
from specops.ops._reductions import ordered_sum


def focal_frequency_loss(
    pred: Tensor,
    target: Tensor,
    matrix: Tensor | None = None,
    *,
    loss_weight: float = 1.0,
    alpha: float = 1.0,
    patch_factor: int = 1,
    ave_spectrum: bool = False,
    log_matrix: bool = False,
    batch_matrix: bool = False,
) -> Tensor:
    r"""Returns the mean over frequencies of w·|D|², w larger where the spectra differ more.

    D is the orthonormal DFT of pred - target. w = |D|^α, or ln(|D|^α + 1), divided by its maximum over the frequencies
    of an image, patch and channel, 0 where that is 0; no gradient flows through w.

    Args:
        pred, target: images [..., H, W] of one shape, as a rule [N, C, H, W].
        matrix: w on the full plane instead, broadcastable to [..., P, C, h, w] with P = patch_factor² and
            h = H / patch_factor; C = 1 for images [H, W]. Its values must lie in [0, 1], which is checked on the CPU
            only: elsewhere a look at them would wait for the device.
        loss_weight: factor on the loss.
        alpha: the exponent α.
        patch_factor: images are cut into patch_factor × patch_factor patches; must divide H and W.
        ave_spectrum: average the spectra over the first dimension before they are compared.
        log_matrix: take the logarithm of w.
        batch_matrix: divide w by its maximum over everything.

    Returns:
        A 0-dimensional tensor. It and its derivatives equal those of the package focal-frequency-loss 0.3.0.

    Raises:
        TypeError, ValueError: images of two shapes or devices; a weight or exponent that is not a finite number; a
            patch factor that does not divide H and W; a matrix of another shape or with values outside [0, 1].

    Source:
        Jiang, Dai, Wu, Loy 2021, "Focal Frequency Loss for Image Reconstruction and Synthesis", equations 7 to 9.

    Example:
        >>> import torch
        >>> from specops.losses import focal_frequency_loss
        >>> focal_frequency_loss(torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
        tensor(1.)
    """
    pred, target = check_pair(("pred", "target"), pred, target)
    loss_weight, alpha = number("loss_weight", loss_weight), number("alpha", alpha)
    patch_factor = integer("patch_factor", patch_factor, least=1)
    _check_focal(pred, patch_factor, ave_spectrum)
    dtype = compute_dtype(pred.dtype)
    patches = _patches(pred.to(dtype) - target.to(dtype), patch_factor)
    if ave_spectrum:
        patches = patches.mean(0, keepdim=True)
    h, w = patches.shape[-2:]
    index, ones, gain = geometry.coefficient_maps(h, w, patches.dtype, patches.device)
    power = ops.binned_cross_spectrum(patches, patches, index, ones, h * (w // 2 + 1)) / (h * w)
    if matrix is None:
        weight = _focal_weight(power.detach(), alpha, log_matrix, batch_matrix)
    else:
        weight = _checked_matrix(matrix, patches)
    share = (gain * (h * w)).flatten()  # how often each coefficient stands in the full plane
    n_full = power[..., 0].numel() * h * w
    return ordered_sum((weight * share * power).flatten(), any_size=True) / n_full * loss_weight


class FocalFrequencyLoss(nn.Module):
    """Computes `focal_frequency_loss(pred, target, matrix=None)`.

    Arguments are those of `focal_frequency_loss`, in the order of the package focal-frequency-loss.

    Example:
        >>> from specops.losses import FocalFrequencyLoss
        >>> FocalFrequencyLoss(loss_weight=0.5, patch_factor=2)
        FocalFrequencyLoss(loss_weight=0.5, alpha=1.0, patch_factor=2, ave_spectrum=False, log_matrix=False,
            batch_matrix=False)
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        alpha: float = 1.0,
        patch_factor: int = 1,
        ave_spectrum: bool = False,
        log_matrix: bool = False,
        batch_matrix: bool = False,
    ) -> None:
        super().__init__()
        self.loss_weight, self.alpha = number("loss_weight", loss_weight), number("alpha", alpha)
        self.patch_factor = integer("patch_factor", patch_factor, least=1)
        self.ave_spectrum, self.log_matrix, self.batch_matrix = ave_spectrum, log_matrix, batch_matrix

    def _options(self) -> dict[str, float | int | bool]:
        names = ("loss_weight", "alpha", "patch_factor", "ave_spectrum", "log_matrix", "batch_matrix")
        return {name: getattr(self, name) for name in names}

    def forward(self, pred: Tensor, target: Tensor, matrix: Tensor | None = None, **_ignored: object) -> Tensor:
        """Returns the loss; further keywords are accepted and ignored, as by the package."""
        return focal_frequency_loss(pred, target, matrix, **self._options())  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._options().items())


def _check_focal(pred: Tensor, patch_factor: int, ave_spectrum: bool) -> None:
    if pred.shape[-2] % patch_factor or pred.shape[-1] % patch_factor:
        raise ValueError(
            f"patch_factor must divide H and W; got {patch_factor} for images {list(pred.shape)}. Crop them first."
        )
    if ave_spectrum and pred.dim() < 3:
        raise ValueError(f"ave_spectrum averages over the first of [N, ..., H, W]; got {list(pred.shape)}.")


def _patches(x: Tensor, factor: int) -> Tensor:
    """[..., C, H, W] -> [..., factor², C, H / factor, W / factor], row by row; [H, W] as C = 1."""
    if x.dim() == 2:
        x = x.unsqueeze(0)
    tiles = x.unflatten(-1, (factor, x.shape[-1] // factor)).unflatten(-3, (factor, x.shape[-2] // factor))
    return tiles.movedim((-4, -2), (-5, -4)).flatten(-5, -4)


def _focal_weight(power: Tensor, alpha: float, log_matrix: bool, batch_matrix: bool) -> Tensor:
    """|D|² [..., h·(w//2+1)] -> w of the same shape, in [0, 1]."""
    weight = power.sqrt() ** alpha
    if log_matrix:
        weight = (weight + 1).log()
    if weight.numel() > 0:
        weight = weight / (weight.amax() if batch_matrix else weight.amax(-1, keepdim=True))
    return torch.where(weight.isnan(), 0, weight).clamp(0, 1)


def _checked_matrix(matrix: Tensor, patches: Tensor) -> Tensor:
    """A matrix for patches [..., P, C, h, w] -> its even part on the half plane, flat: [..., h·(w//2+1)]."""
    h, w = patches.shape[-2:]
    check_real("matrix", matrix)
    if matrix.device != patches.device:
        raise ValueError(f"matrix must be on {patches.device} like the images; got {matrix.device}.")
    try:
        matrix.expand(patches.shape)
        full = matrix.detach().to(patches.dtype).expand(*matrix.shape[:-2], h, w)
    except RuntimeError:
        raise ValueError(
            f"matrix must be broadcastable to [..., P, C, h, w] = {list(patches.shape)}; got {list(matrix.shape)}."
        ) from None
    if full.device.type == "cpu" and not traced() and not bool(((full >= 0) & (full <= 1)).all()):
        raise ValueError("matrix must have values in [0, 1]; divide it by its maximum.")
    even = (full + full.roll((-1, -1), (-2, -1)).flip(-2, -1)) / 2
    return even[..., : w // 2 + 1].flatten(-2)
