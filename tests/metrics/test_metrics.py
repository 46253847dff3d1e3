"""Metrics: by their definitions, in any division into batches and processes, and every way of wrong use."""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("torchmetrics", reason="specops.metrics needs the extra `metrics`")
pytest.importorskip("sklearn", reason="specops.metrics needs the extra `metrics`")

import scipy.ndimage
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from studies.core import evaluation
from test_exact_maps import NoFloat64
from torchmetrics import Metric, MetricCollection

import specops
from specops import backends, geometry, metrics
from specops.metrics import (
    LeakageRatio,
    RadialSpectrumStatistics,
    SlicedWassersteinDistance,
    SpectralDetectability,
    SpectralDistance,
)
from specops.metrics._statistics import merged_moments, moments_of
from specops.metrics._two_sided import units_differ
from specops.metrics._wasserstein import laplacian_pyramid, wasserstein_1

METRICS: dict[str, Callable[[], Any]] = {
    "RadialSpectrumStatistics": lambda: RadialSpectrumStatistics(32, scale="log"),
    "SpectralDistance": lambda: SpectralDistance(32),
    "LeakageRatio": lambda: LeakageRatio(32, window="hann"),
    "SpectralDetectability": lambda: SpectralDetectability(32, folds=3),
    "SlicedWassersteinDistance": lambda: SlicedWassersteinDistance(32, patches_per_image=8, directions=16, repeats=2),
}
each_metric = pytest.mark.parametrize("build", METRICS.values(), ids=METRICS.keys())


def both_sides() -> tuple[Tensor, Tensor]:
    """13 real and 17 generated images, the latter with a little less high frequency."""
    draw = torch.Generator().manual_seed(1)
    real, fake = (torch.randn(n, 3, 32, 32, generator=draw) for n in (13, 17))
    mask = specops.masks.lowpass((32, 32), 40.0, kind="gaussian")
    return real, specops.frequency_filter(fake, mask)


def computed(metric: Any, real: Sequence[Tensor], fake: Sequence[Tensor]) -> dict[str, Tensor]:
    """The values after an update per batch."""
    for images in real:
        metric.update(images, real=True)
    for images in fake:
        metric.update(images, real=False)
    return values_of(metric)


def values_of(metric: Any) -> dict[str, Tensor]:
    value = metric.compute()
    return value if isinstance(value, dict) else {"value": value}


def assert_same(values: dict[str, Tensor], expected: dict[str, Tensor], bound: float = 1e-6) -> None:
    assert list(values) == list(expected)
    for name, value in values.items():
        torch.testing.assert_close(value, expected[name], rtol=bound, atol=bound * 1e-2, msg=lambda m: f"{name}: {m}")  # noqa: B023


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
    """Statistics give those of the batch; the others, which compare, nothing; all of them count it."""
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
    """Kept is what the same values in float32 make: rounding to half would tell the sides apart."""
    real, fake = both_sides()
    metric, wide = build(), build()
    computed(metric, [real], [fake.to(dtype)])
    computed(wide, [real], [fake.to(dtype).float()])
    assert_same(dict(named_states(metric)), dict(named_states(wide)))


def named_states(metric: Any) -> list[tuple[str, Tensor]]:
    states = [(name, getattr(metric, name)) for name in metric.metric_state]
    return [(name, torch.cat(state) if isinstance(state, list) else state) for name, state in states]


def units(scale: float, shift: float, n: int = 6) -> Tensor:
    """Images with values from `shift` to `shift + scale`."""
    x = torch.rand(n, 3, 32, 32)
    return (x - x.amin()) / (x.amax() - x.amin()) * scale + shift


UNITS = {
    "[0, 1] and [-1, 1]": (units(1, 0), units(2, -1), "from 0 to 1, generated ones from -1 to 1"),
    "[-1, 1] and [0, 1]": (units(2, -1), units(1, 0), "from -1 to 1, generated ones from 0 to 1"),
    "[0, 255] and [-1, 1]": (units(255, 0), units(2, -1), "from 0 to 255, generated ones from -1 to 1"),
    "[0, 1] and [0, 255]": (units(1, 0), units(255, 0), r"Bring both to one range before update, as by 2 \* x - 1"),
}


@pytest.mark.parametrize(("real", "fake", "message"), UNITS.values(), ids=UNITS.keys())
def test_sides_in_other_units_are_warned_of_once(real: Tensor, fake: Tensor, message: str) -> None:
    """At the line that computes, and not again (warnings are errors) after update or reset."""
    metric = LeakageRatio(32)
    with pytest.warns(UserWarning, match=message) as told:
        computed(metric, real.split(2), fake.split(1))
    assert [warning.filename for warning in told] == [__file__]
    computed(metric, [real], [fake])
    metric.reset()
    computed(metric, [real], [fake])


@each_metric
def test_every_metric_warns_of_other_units(build: Callable[[], Any]) -> None:
    real, fake, message = UNITS["[0, 1] and [-1, 1]"]
    with pytest.warns(UserWarning, match=message):
        computed(build(), [real.bfloat16()], [fake.double()])


SAME_UNITS = {
    "one range": (units(2, -1), units(1.8, -0.9)),
    "blank": (torch.ones(6, 3, 32, 32), units(2, -1)),
    "black": (torch.zeros(6, 3, 32, 32), units(1, 0)),
    "NaN": (units(1, 0), units(2, -1).index_fill(0, torch.tensor(0), torch.nan)),
    "one infinite pixel": (
        units(1, 0),
        units(1, 0).flatten().index_fill(0, torch.tensor(7), torch.inf).view(6, 3, 32, 32),
    ),
    "few images": (units(1, 0, 3), units(2, -1)),
}


@pytest.mark.parametrize(("real", "fake"), SAME_UNITS.values(), ids=SAME_UNITS.keys())
def test_sides_that_may_have_the_same_units(real: Tensor, fake: Tensor) -> None:
    """Warnings are errors."""
    computed(LeakageRatio(32), [real], [fake])


INF = float("inf")
RANGES: dict[tuple[tuple[float, float], tuple[float, float]], bool] = {
    ((0, 1), (-1, 1)): True,
    ((0.02, 0.98), (-0.9, 0.95)): True,
    ((0, 1), (-2.1, 2.6)): True,
    ((0, 255), (0, 1)): True,
    ((3, 250), (-0.9, 0.95)): True,
    ((0, 255), (-128, 127)): True,
    ((-1, 1), (0, 0.02)): False,
    ((-1, 1), (-0.01, 0.01)): False,
    ((-1, 1), (0, 0.3)): False,
    ((-1, 1), (0.1, 0.9)): False,
    ((0, 1), (-0.01, 0.01)): False,
    ((0, 1), (-0.3, 0.5)): False,
    ((0, 1), (-0.04, 1.04)): False,
    ((0, 1), (0.45, 0.55)): False,
    ((0, 255), (-9, 264)): False,
    ((0, 255), (0, 3)): False,
    ((0, 255), (-0.01, 0.01)): False,
    ((-1, 1), (-300, 300)): False,
    ((-1, 1), (0, INF)): False,
    ((0, 1), (-INF, INF)): False,
}


@pytest.mark.parametrize(("sides", "differ"), RANGES.items(), ids=map(str, RANGES))
def test_both_sides_must_show_their_units(sides: tuple[tuple[float, float], tuple[float, float]], differ: bool) -> None:
    assert units_differ(*sides) == units_differ(*sides[::-1]) == differ


def test_which_metrics_need_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it two are built and updated; moved to a device that has it they compute."""
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


def test_values_of_all_parts_are_compared() -> None:
    real, fake, message = UNITS["[0, 1] and [-1, 1]"]
    metric, other = SpectralDistance(32), SpectralDistance(32)
    for part, images in ((metric, slice(3)), (other, slice(3, None))):
        part.update(real[images], real=True)
        part.update(fake[images], real=False)
    metric.merge_state(other)
    with pytest.warns(UserWarning, match=message):
        metric.compute()


SHARDS = {2: [(0, 4), (4, 17)], 3: [(0, 1), (1, 1), (1, 17)]}


def worker(rank: int, world_size: int, folder: str) -> None:
    """One process: its uneven part of the images (the second of three has none), then the other images, reversed."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    start, stop = SHARDS[world_size][rank]
    real, fake = both_sides()
    results = {}
    for name, build in METRICS.items():
        metric = build()
        first = computed(metric, [real[start:stop]] if stop > start else [], [fake[start:stop]] if stop > start else [])
        again = computed(metric, [], [real[start:stop]] if stop > start else [])
        results[name] = (first, again)
    torch.save(results, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_agree_with_one(world_size: int, tmp_path: Path) -> None:
    """With real processes, unequal parts and one process without images; computed twice, with an update between."""
    torch.multiprocessing.spawn(worker, args=(world_size, str(tmp_path)), nprocs=world_size)
    real, fake = both_sides()
    per_process = [torch.load(tmp_path / f"{rank}.pt") for rank in range(world_size)]
    for name, build in METRICS.items():
        metric = build()
        first, again = computed(metric, [real], [fake]), computed(metric, [], [real])
        assert any((first[key] != again[key]).any() for key in first), name
        for results in per_process:
            bound = 1e-12 if name in ("RadialSpectrumStatistics", "SpectralDistance", "LeakageRatio") else 1e-6
            assert_same(results[name][0], first, bound)
            assert_same(results[name][1], again, bound)


def test_statistics_are_mean_and_deviation() -> None:
    real, fake = both_sides()
    values = computed(RadialSpectrumStatistics(32, convention="plain", norm="ortho"), real.split(4), [fake])
    for name, images in (("real", real), ("fake", fake)):
        profiles = specops.radial_spectrum(images.double(), convention="plain", norm="ortho").mean(1)
        torch.testing.assert_close(values[f"{name}_mean"], profiles.mean(0), rtol=1e-6, atol=0)
        torch.testing.assert_close(values[f"{name}_std"], profiles.std(0), rtol=1e-5, atol=0)
    population = computed(RadialSpectrumStatistics(32, correction=0), [real[:1]], [])
    assert list(population) == ["real_mean", "real_std"]
    assert (population["real_std"] == 0).all()
    assert computed(RadialSpectrumStatistics(32), [real[:1]], [])["real_std"].isnan().all()


def test_merging_moments_does_not_cancel() -> None:
    """A mean 10⁹ times the deviation: a sum of squares would lose all digits."""
    samples = 1e9 + torch.randn(1000, 3, dtype=torch.float64)
    parts = torch.stack([moments_of(part) for part in samples.split([1, 0, 499, 7, 493])])
    count, mean, squares = merged_moments(parts)
    assert (count == 1000).all()
    torch.testing.assert_close(mean, samples.mean(0), rtol=1e-15, atol=0)
    torch.testing.assert_close((squares / 999).sqrt(), samples.std(0), rtol=1e-6, atol=0)
    torch.testing.assert_close(
        merged_moments(torch.stack([merged_moments(parts[:2]), merged_moments(parts[2:])]))[2], squares
    )


@pytest.mark.parametrize("side", [32, 33, 64])
def test_spectral_distance_is_that_of_the_testbeds(side: int) -> None:
    real, fake = torch.rand(2, 4, 3, side, side)
    spectra = (evaluation.reduced_spectrum(fake), evaluation.reduced_spectrum(real))
    errors = evaluation.relative_error(*spectra)
    values = computed(SpectralDistance(side), [real], [fake])
    listed = evaluation.band_errors(errors, resolution=side)
    if side == 33:  # no corner coefficient is a checkerboard there
        listed.pop("corner")
    for band, expected in listed.items():
        assert float(values[f"e_{band}"]) == pytest.approx(expected, rel=1e-5)


def test_spectral_distance_by_hand() -> None:
    """Twice the amplitude beyond two thirds of the Nyquist frequency: e is 0 below, clamped to 1 above."""
    real = torch.randn(6, 3, 32, 48)
    gains = 1 + specops.masks.highpass((32, 48), 17)
    values = computed(SpectralDistance((32, 48)), [real], [specops.frequency_filter(real, gains)])
    expected = {"e_low": 0.0, "e_mid": 0.0, "e_high": 1.0, "e_corner": 1.0}
    assert {name: round(float(value), 4) for name, value in values.items()} == expected
    blank = computed(SpectralDistance(32), [torch.zeros(2, 1, 32, 32)], [torch.zeros(2, 1, 32, 32)])
    assert all(value == 0 for value in blank.values())
    dark = computed(SpectralDistance(32), [torch.zeros(2, 1, 32, 32)], [torch.rand(2, 1, 32, 32)])
    assert all(value == 1 for value in dark.values())


def test_leakage_equals_the_published_code(fixes: dict[str, np.ndarray]) -> None:
    real, fake = (torch.from_numpy(fixes[name]).unsqueeze(1) for name in ("leak_true", "leak_gen"))
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-6)):
        value = computed(LeakageRatio(32), [real.to(dtype)], fake.to(dtype).split(7))["value"]
        assert float(value) == pytest.approx(float(fixes["leak_ratio"]), rel=bound)


def test_leakage_through_a_window() -> None:
    real, fake = both_sides()
    hann = torch.hann_window(32, periodic=False, dtype=torch.float64)
    powers = [torch.fft.fft2(x.double().mean(1) * torch.outer(hann, hann)).abs().square().mean(0) for x in (real, fake)]
    first, second = (power / power.sum() for power in powers)
    value = computed(LeakageRatio(32, window="hann"), [real], [fake])["value"]
    torch.testing.assert_close(value.double(), ((first - second).abs().sum() / 2).double(), rtol=1e-10, atol=0)


def test_detectability_of_the_same_and_of_other_spectra() -> None:
    real, same = torch.randn(2, 60, 3, 16, 16)
    alike = computed(SpectralDetectability(16), [real], [same])
    assert 0.35 < alike["accuracy"] < 0.65
    assert alike["cloaking"] == pytest.approx(1 - abs(float(alike["accuracy"]) - 0.5) / 0.5)
    told = computed(SpectralDetectability(16), [real], [specops.upsample(same[:30, :, :8, :8], mode="bilinear")])
    assert told["accuracy"] > 0.95
    assert told["cloaking"] == pytest.approx(2 * (1 - float(told["accuracy"])))
    grey = computed(SpectralDetectability(16), [real.mean(1, keepdim=True)], [same.mean(1, keepdim=True)])
    assert 0.3 < grey["accuracy"] < 0.7


def test_detectability_of_unequal_numbers_is_balanced() -> None:
    """Guessing the larger side tells nothing."""
    real, same = torch.randn(100, 3, 16, 16), torch.randn(10, 3, 16, 16)
    assert computed(SpectralDetectability(16), [real], [same])["accuracy"] < 0.75


@pytest.mark.parametrize("options", [{}, {"folds": 4, "seed": 3}], ids=["5 folds", "4 folds"])
def test_detectability_is_its_definition(options: dict[str, int]) -> None:
    """Sides that lie so near that the scaling, the convention and the division into folds all tell."""
    draw = torch.Generator().manual_seed(2)
    real, fake = (torch.randn(n, 3, 16, 16, generator=draw) for n in (60, 40))
    fake = specops.frequency_filter(fake, specops.masks.lowpass((16, 16), 12.0, kind="gaussian"))
    profiles = []
    for x in (real, fake):
        grey = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
        log = specops.radial_spectrum(grey, convention="jung2021", scale="log")
        log = (log - log.amin(1, keepdim=True)) / (log.amax(1, keepdim=True) - log.amin(1, keepdim=True))
        profiles.append(np.array(sorted(log.tolist(), key=lambda row: row[::-1])))
    rows, labels = np.concatenate(profiles), np.repeat([1, 0], [60, 40])
    folds = StratifiedKFold(options.get("folds", 5), shuffle=True, random_state=options.get("seed", 0))
    scores = []
    for train, test in folds.split(rows, labels):
        mean, deviation = rows[train].mean(0), rows[train].std(0)
        scaled = (rows - mean) / np.where(deviation == 0, 1, deviation)
        judge = LogisticRegression(max_iter=10_000, class_weight="balanced").fit(scaled[train], labels[train])
        right = judge.predict(scaled[test]) == labels[test]
        scores.append(np.mean([right[labels[test] == label].mean() for label in (0, 1)]))
    value = computed(SpectralDetectability(16, **options), [real], [fake])
    assert float(value["accuracy"]) == pytest.approx(np.mean(scores), abs=1e-9)


@pytest.mark.parametrize("counts", [(50, 50), (50, 30), (7, 13), (1, 4)], ids=str)
def test_wasserstein_distance_equals_scipy(counts: tuple[int, int]) -> None:
    a, b = (torch.randn(n, 5, dtype=torch.float64) + index for index, n in enumerate(counts))
    expected = [scipy.stats.wasserstein_distance(a[:, column], b[:, column]) for column in range(5)]
    np.testing.assert_allclose(wasserstein_1(a, b).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [(32, 32), (33, 46), (64, 40)], ids=str)
def test_laplacian_pyramid_equals_scipy(size: tuple[int, int]) -> None:
    f = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    levels = laplacian_pyramid(x, 3)
    image = x[1, 2].numpy()
    for level in levels[:-1]:
        half = scipy.ndimage.convolve(image, f, mode="mirror")[::2, ::2]
        nails = np.zeros((2 * half.shape[0], 2 * half.shape[1]))
        nails[::2, ::2] = half
        enlarged = scipy.ndimage.convolve(nails, 4 * f, mode="mirror")
        np.testing.assert_allclose(level[1, 2], image - enlarged[: image.shape[0], : image.shape[1]], atol=1e-12)
        image = half
    np.testing.assert_allclose(levels[-1][1, 2], image, atol=1e-12)


def test_sliced_wasserstein_of_whole_levels() -> None:
    """Images of one patch each: the distance by its definition, from the images themselves."""
    real, fake = torch.randn(9, 1, 7, 7), torch.rand(9, 1, 7, 7) ** 3 - 0.5
    value = computed(SlicedWassersteinDistance(7, channels=1, patches_per_image=1, directions=4096), [real], [fake])
    assert list(value) == ["swd_7", "swd"]
    rows = [x.flatten(1).double() for x in (real, fake)]
    rows = [(x - x.mean()) / x.std(correction=0) for x in rows]
    directions = torch.randn(49, 20000, dtype=torch.float64)
    directions = directions / directions.norm(dim=0)
    expected = wasserstein_1(*(x @ directions for x in rows)).mean()
    torch.testing.assert_close(value["swd_7"], expected, rtol=0.02, atol=0)


def test_sliced_wasserstein_sees_the_scale_of_a_difference() -> None:
    real, fake = torch.randn(2, 30, 3, 64, 64)
    coarse = specops.frequency_filter(fake, specops.masks.lowpass((64, 64), 18))
    names = ["swd_64", "swd_32", "swd_16", "swd"]
    same, blurred = (
        computed(SlicedWassersteinDistance(64, directions=32, repeats=1), [real], [x]) for x in (fake, coarse)
    )
    assert list(same) == names
    assert blurred["swd_64"] > 2 * same["swd_64"]
    assert blurred["swd_32"] < 1.3 * same["swd_32"]
    assert blurred["swd_16"] < 1.3 * same["swd_16"]
    assert blurred["swd"] == pytest.approx(sum(float(blurred[name]) for name in names[:3]) / 3)


def test_sliced_wasserstein_of_a_set_with_itself_is_zero() -> None:
    real, _ = both_sides()
    values = computed(SlicedWassersteinDistance(32, directions=16, seed=3), [real], [real.flip(0)])
    assert all(abs(float(value)) < 1e-6 for value in values.values())
    constant = torch.ones(2, 3, 32, 32)
    assert computed(SlicedWassersteinDistance(32), [constant], [constant])["swd"] == 0


def test_defaults_of_the_sliced_wasserstein_distance() -> None:
    real, fake = both_sides()
    options = {"channels": 3, "patches_per_image": 128, "directions": 128, "repeats": 4, "seed": 0}
    expected = computed(SlicedWassersteinDistance(32, **options), [real[:3]], [fake[:3]])
    assert_same(computed(SlicedWassersteinDistance(32), [real[:3]], [fake[:3]]), expected)


def test_each_channel_is_brought_to_mean_0_and_deviation_1() -> None:
    """Other units per channel do not change the distance; images of one patch, since pixels choose positions."""
    real, fake = torch.randn(9, 3, 7, 7), torch.rand(9, 3, 7, 7) ** 3 - 0.5
    gain, offset = torch.tensor([1.0, 2.0, 8.0])[:, None, None], torch.tensor([0.0, -1.0, 4.0])[:, None, None]
    build = functools.partial(SlicedWassersteinDistance, 7, patches_per_image=1)
    expected = computed(build(), [real], [fake])
    assert expected["swd"] > 0.01
    assert_same(computed(build(), [real * gain + offset], [fake]), expected, 1e-4)


def test_seeds_choose_positions_and_directions() -> None:
    real, fake = both_sides()
    build = functools.partial(SlicedWassersteinDistance, 32, patches_per_image=16, directions=32, repeats=1)
    values = [computed(build(seed=seed), [real], [fake])["swd"] for seed in (0, 0, 1)]
    assert values[0] == values[1]
    assert values[0] != values[2]
    assert values[0] == pytest.approx(float(values[2]), rel=0.5)


X = torch.randn(2, 3, 32, 32)
WRONG: list[tuple[str, Callable[[], object], type[Exception], str]] = [
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


@pytest.mark.parametrize(("make", "error", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_arguments(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


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
        for part in ("Returns", "Args:", "Raises:", "Source:", "Example:"):
            assert part in metric.__doc__, (name, part)
