"""Gradients of the testbeds' layers: torch's own numbers, of first and second order, and no more work than needed."""

from __future__ import annotations

import pytest
import torch
from small_discriminators import network, run
from studies.testbeds.discriminator_run import squared_slope
from studies.testbeds.networks import gradients
from studies.testbeds.networks.gradients import conv2d, leaky_relu, of_inputs_alone
from torch import Tensor
from torch.nn import functional

KERNELS = [(1, 0), (3, 1), (4, 3)]


def operands(kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    made = torch.randn(2, 3, 5, 5), torch.randn(4, 3, kernel, kernel), torch.randn(4)
    x, weight, bias = (each.double().requires_grad_() for each in made)
    return x, weight, bias


@pytest.mark.parametrize(("kernel", "padding"), KERNELS)
def test_convolution_has_gradients_of_two_orders(kernel: int, padding: int) -> None:
    x, weight, bias = operands(kernel)

    def convolved(*operands: Tensor) -> Tensor:
        return conv2d(*operands, padding=padding)

    torch.testing.assert_close(convolved(x, weight, bias), functional.conv2d(x, weight, bias, padding=padding))
    assert torch.autograd.gradcheck(convolved, (x, weight, bias))
    assert torch.autograd.gradgradcheck(convolved, (x, weight, bias))


def test_leaky_relu_has_gradients_of_two_orders() -> None:
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)

    def cubed(x: Tensor) -> Tensor:
        return leaky_relu(x * 1.0) ** 3  # a copy, since it writes over its input

    torch.testing.assert_close(cubed(x), functional.leaky_relu(x, 0.2) ** 3)
    assert torch.autograd.gradcheck(cubed, x)
    assert torch.autograd.gradgradcheck(cubed, x)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_gradient_of_a_slope_is_that_of_torch(memory_format: torch.memory_format) -> None:
    """R1's gradient: of a squared gradient to the input, to the weights."""
    x, weight, bias = operands(3)
    x = x.detach().contiguous(memory_format=memory_format).requires_grad_()

    def penalty(ours: bool) -> Tensor:
        y = conv2d(x, weight, bias, padding=1) if ours else functional.conv2d(x, weight, bias, padding=1)
        (slope,) = torch.autograd.grad(y.tanh().sum(), x, create_graph=True)
        return slope.square().sum()

    ours, theirs = (torch.autograd.grad(penalty(ours), (x, weight, bias)) for ours in (True, False))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_parameters_get_no_gradient_where_inputs_alone_are_asked_for() -> None:
    x, weight, bias = operands(3)
    y = conv2d(x, weight, bias, padding=1).sum()
    with of_inputs_alone():
        given = torch.autograd.grad(y, (x, weight, bias), retain_graph=True, allow_unused=True)
    assert [gradient is None for gradient in given] == [False, True, True]
    assert all(gradient is not None for gradient in torch.autograd.grad(y, (x, weight, bias)))


def test_penalty_reaches_each_convolution_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls per convolution: its slope, the tangent's weights, and none for a second pass of zeros below."""
    main = network(16)
    x = torch.randn(1, 3, 16, 16, requires_grad=True)
    logits = main(x)
    calls = []
    plain = gradients._gradients
    monkeypatch.setattr(gradients, "_gradients", lambda *arguments: calls.append(1) or plain(*arguments))
    squared_slope(logits, x).backward()
    n_convs = 1 + 2 * 2 + 1
    assert len(calls) == 2 * n_convs


def test_pixels_and_their_gradient_have_one_memory_order() -> None:
    """Fused Adam does not look at strides."""
    drawn = run(n=1)
    drawn.advance()
    assert drawn.pixels.grad is not None
    assert drawn.pixels.grad.stride() == drawn.pixels.stride()


def test_state_of_adam_has_the_memory_order_of_its_parameter() -> None:
    drawn, resumed = run(), run()
    loss = drawn.advance()
    drawn.measure(loss)
    saved = {
        section: {name: each.contiguous() for name, each in part.items()} for section, part in drawn.state().items()
    }
    resumed.load_state(saved)
    weight = resumed.network.main.scales[0].second.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert resumed._network_optimizer.state[weight]["exp_avg_sq"].stride() == weight.stride()
