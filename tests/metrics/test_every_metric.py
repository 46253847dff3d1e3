"""What holds for every metric: any division into batches, states, dtypes, and every way of wrong use."""

from __future__ import annotations

import contextlib
import copy
import importlib
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from metric_cases import METRICS, assert_same, both_sides, computed, each_metric, values_of
from other_devices import NoFloat64
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from wrong_use import Wrong, refused

from specops import backends, geometry, metrics
from specops.metrics import (
    LeakageRatio,
    RadialSpectrumStatistics,
    SlicedWassersteinDistance,
    SpectralDetectability,
    SpectralDistance,
)


@each_metric
def test_batches_do_not_change_the_value(build: Callable[[], Any]) -> None:
    """One batch; one image after another, both sides in turn, backwards; with leading dimensions and empty batches."""
    real, fake = both_sides()
    expected = computed(build(), [real], [fake])
    assert all(value.dtype == torch.float64 for value in expected.values())
    in_turn = build()
    for index in reversed(range(17)):
        in_turn.update(fake[index : index + 1], real=False)
        in_turn.update(real[index : index + 1], real=True)
    assert_same(values_of(in_turn), expected)
    shaped = computed(build(), [real[:12].reshape(3, 4, 3, 32, 32), real[12]], [fake, fake[:0]])
    assert_same(shaped, expected)


@each_metric
def test_saved_copied_merged_and_reset(build: Callable[[], Any]) -> None:
    real, fake = both_sides()
    expected = computed(build(), [real], [fake])
    metric = build()
    metric.update(real, real=True)
    metric.update(fake[:5], real=False)
    metric.persistent(True)
    loaded = build()
    loaded.persistent(True)
    loaded.load_state_dict(metric.state_dict())
    rest = build()
    rest.update(fake[5:], real=False)
    for other in (metric, pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric), metric.clone()):
        other.merge_state(rest)
        assert_same(values_of(other), expected)
    loaded.update(fake[5:], real=False)
    assert_same(values_of(loaded), expected)
    metric.reset()
    assert_same(computed(metric, [real], [fake]), expected)


@each_metric
def test_computing_changes_nothing(build: Callable[[], Any]) -> None:
    real, fake = both_sides()
    metric = build()
    computed(metric, [real], [fake[:7]])
    assert_same(computed(metric, [], [fake[7:]]), computed(build(), [real], [fake]))


@each_metric
def test_computing_without_images_tells_what_is_missing(build: Callable[[], Any]) -> None:
    metric = build()
    with pytest.warns(UserWarning, match="before the ``update``"), pytest.raises(RuntimeError, match="Call update"):
        metric.compute()
    if isinstance(metric, RadialSpectrumStatistics) and not isinstance(metric, SpectralDistance):
        return
    metric.update(both_sides()[0], real=True)
    with pytest.raises(RuntimeError, match=r"real and \d generated images; got 13 and 0. Call update"):
        metric.compute()


@each_metric
def test_forward(build: Callable[[], Any]) -> None:
    """Statistics return those of the batch, metrics that compare return None, and all of them count the batch."""
    real, fake = both_sides()
    metric = build()
    for images, side in ((real[:6], True), (real[6:], True), (fake, False)):
        value = metric(images, side)
        if type(metric) is RadialSpectrumStatistics:
            assert_same(value, computed(build(), [images] * side, [images] * (not side)))
        else:
            assert value is None
    assert_same(values_of(metric), computed(build(), [real], [fake]))


def test_in_a_collection() -> None:
    real, fake = both_sides()
    collection = MetricCollection({name: build() for name, build in METRICS.items()})
    collection.update(real, real=True)
    collection.update(fake, real=False)
    value = collection.compute()
    expected = {"e_low", "LeakageRatio", "accuracy", "cloaking", "swd_32", "swd", "real_mean", "fake_std"}
    assert expected <= set(value)


@each_metric
def test_dtypes_and_gradients(build: Callable[[], Any]) -> None:
    real, fake = both_sides()
    expected = computed(build(), [real], [fake])
    assert_same(computed(build(), [real.double()], [fake.double().requires_grad_()]), expected, 1e-5)
    half = computed(build(), [real.half()], [fake.half()])
    assert all(value.isfinite().all() for value in half.values())
    assert not any(value.requires_grad for value in half.values())


@each_metric
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_sides_of_two_dtypes(build: Callable[[], Any], dtype: torch.dtype) -> None:
    """States are those of the same values in float32: rounded to half they would tell the sides apart."""
    real, fake = both_sides()
    metric, wide = build(), build()
    computed(metric, [real], [fake.to(dtype)])
    computed(wide, [real], [fake.to(dtype).float()])
    assert_same(dict(named_states(metric)), dict(named_states(wide)))


def named_states(metric: Any) -> list[tuple[str, Tensor]]:
    states = [(name, getattr(metric, name)) for name in metric.metric_state]
    return [(name, torch.cat(state) if isinstance(state, list) else state) for name, state in states]


def test_which_metrics_need_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two metrics are built and updated without float64; on a device that has it they compute."""
    real, fake = both_sides()
    updated = {}
    monkeypatch.setattr(geometry, "WITHOUT_FLOAT64", ("cpu",))
    for name, build in METRICS.items():
        with contextlib.suppress(AssertionError), backends.use("reference"), NoFloat64():
            metric = build()
            metric.update(real, real=True)
            metric.update(fake, real=False)
            updated[name] = metric
    assert list(updated) == ["SpectralDetectability", "SlicedWassersteinDistance"]
    for name, metric in updated.items():
        with pytest.raises(AssertionError, match="makes float64"), NoFloat64():
            metric.compute()
        assert_same(values_of(metric), computed(METRICS[name](), [real], [fake]), 1e-4)


X = torch.randn(2, 3, 32, 32)
WRONG: list[Wrong] = [
    ("size", lambda: SpectralDistance((32, 0)), ValueError, "H, W >= 1"),
    ("size type", lambda: LeakageRatio(32.0), TypeError, "size must be a pair"),
    ("convention", lambda: RadialSpectrumStatistics(32, convention="x"), ValueError, "convention must be one of"),
    ("scale", lambda: RadialSpectrumStatistics(32, scale="x"), ValueError, "scale must be one of"),
    ("norm", lambda: RadialSpectrumStatistics(32, norm="x"), ValueError, "norm must be one of"),
    ("correction", lambda: RadialSpectrumStatistics(32, correction=-1), ValueError, "correction must be at least 0"),
    (
        "correction type",
        lambda: RadialSpectrumStatistics(32, correction=0.5),
        TypeError,
        "correction must be an integer",
    ),
    ("large split seed", lambda: SpectralDetectability(32, seed=2**32), ValueError, "seed must be at most 4294967295"),
    ("large seed", lambda: SlicedWassersteinDistance(32, seed=2**32), ValueError, "seed must be at most 4294967295"),
    ("repeats", lambda: SlicedWassersteinDistance(32, repeats=0), ValueError, "repeats must be at least 1"),
    ("window", lambda: LeakageRatio(32, window="x"), ValueError, "window must be None or 'hann'; got 'x'"),
    ("folds", lambda: SpectralDetectability(32, folds=1), ValueError, "folds must be at least 2; got 1"),
    ("folds type", lambda: SpectralDetectability(32, folds=2.0), TypeError, "folds must be an integer"),
    ("split seed", lambda: SpectralDetectability(32, seed=-1), ValueError, "seed must be at least 0"),
    ("patches", lambda: SlicedWassersteinDistance(32, patches_per_image=0), ValueError, "patches_per_image must be at"),
    ("directions", lambda: SlicedWassersteinDistance(32, directions=0), ValueError, "directions must be at least 1"),
    ("seed", lambda: SlicedWassersteinDistance(32, seed="0"), TypeError, "seed must be an integer; got '0'"),
    ("too small", lambda: SlicedWassersteinDistance(6), ValueError, r"at least 7 x 7 pixels, one patch; got \(6, 6\)"),
    ("channels", lambda: SlicedWassersteinDistance(32, channels=1).update(X, True), ValueError, "1 channels, .* got 3"),
    ("colours", lambda: SpectralDetectability(32).update(X[:, :2], True), ValueError, "images must be RGB"),
    ("unknown option", lambda: LeakageRatio(32, x=1), ValueError, "Unexpected keyword arguments: `x`"),
]

test_wrong_arguments = refused(WRONG)


@each_metric
def test_wrong_images(build: Callable[[], Any]) -> None:
    cases: list[tuple[Any, Any, type[Exception], str]] = [
        (X[..., 1:], True, ValueError, r"must be \[\.\.\., 32, 32\], as this was built for; got \[2, 3, 32, 31\]"),
        (X[0, 0], True, ValueError, r"images must be \[\.\.\., C, H, W\]"),
        (X.int(), True, TypeError, r"\.float\(\)"),
        (X.numpy(), False, TypeError, r"must be a torch\.Tensor"),
        (X, 1, TypeError, "real must be True for real images, False for generated ones; got 1"),
        (X, None, TypeError, "real must be True"),
        (X.to("meta"), True, ValueError, "images must be on cpu like the metric; got meta"),
    ]
    metric = build()
    for images, real, error, message in cases:
        with pytest.raises(error, match=message):
            metric.update(images, real)
    for value in computed(metric, [both_sides()[0]], [both_sides()[1]]).values():
        assert value.isfinite().all(), "a refused update left nothing behind"


@pytest.mark.parametrize("package", ["torchmetrics", "sklearn"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith("specops.metrics")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"the extra `metrics`: pip install 'specops\[metrics\]'"):
        importlib.import_module("specops.metrics")


def test_everything_public_is_documented() -> None:
    for name in metrics.__all__:
        metric = getattr(metrics, name)
        assert issubclass(metric, Metric)
        for part in ("Args:", "Raises:", "Source:", "Example:"):
            assert part in metric.__doc__, (name, part)
