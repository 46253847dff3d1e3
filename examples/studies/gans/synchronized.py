"""Batch norm over the images of all processes, on CPUs too, where torch's own refuses to run."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from studies.core import distributed


class SynchronizedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose mean and variance in training are those of all processes' images, gradients included."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or distributed.size() == 1:
            return super().forward(x)
        n, shape, wide = distributed.size(), (1, -1, 1, 1), x.float()
        mean = all_reduce(wide.mean((0, 2, 3))) / n
        centred = wide - mean.view(shape)  # first: E[x²] - E[x]² would cancel where the mean is large
        variance = all_reduce(centred.square().mean((0, 2, 3))) / n
        with torch.no_grad():
            count = n * x.numel() // x.shape[1]
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight / (variance + self.eps).sqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


def synchronize(network: nn.Module) -> nn.Module:
    """The network with every BatchNorm2d a synchronized one, of the same weights."""
    for name, child in network.named_children():
        if type(child) is nn.BatchNorm2d:
            synchronized = SynchronizedBatchNorm2d(child.num_features, child.eps, child.momentum)
            synchronized.load_state_dict(child.state_dict())
            setattr(network, name, synchronized)
        else:
            synchronize(child)
    return network
