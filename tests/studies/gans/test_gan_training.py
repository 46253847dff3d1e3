"""gan_fixes.py from the command line: outputs, wrong input, kill -9, losses that are not finite, several processes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import gan_fixes
import numpy as np
import pytest
import safetensors.numpy
import torch
from studies.core.data.sources import Source, open_source
from studies.core.errors import InputError, TrainingError
from studies.core.loop import train
from studies.core.record.checkpoints import load_checkpoint
from studies.core.sweep import Job, run_all
from studies.core.training import restore
from studies.gans import losses, synchronized
from studies.gans.report import FIGURES
from studies.gans.run import GanRun, GanSettings

SCRIPT = Path(gan_fixes.__file__)
BANDS = ["e_low", "e_mid", "e_high", "e_corner"]
MEASURES = [*BANDS, "leakage", "detectability", "cloaking", "swd_32", "swd_16", "swd"]
FILES = {
    "metrics.csv", "spectra.npz", "config.json", "report.html", "checkpoint.safetensors", "target.png", "generated.png",
    *FIGURES,
}  # fmt: skip


def arguments(out: Path, *more: str, steps: int = 5, decay_steps: int | None = 8) -> list[str]:
    """A run of seconds; a repeated option wins over the earlier one."""
    options = {
        "--width": 16, "--batch": 4, "--discriminator-steps": 2, "--steps": steps, "--eval-every": 2,
        "--eval-images": 8, "--ema": 0.9, "--lr": 1e-3, "--threads": 1,
    }  # fmt: skip
    if decay_steps is not None:
        options["--decay-steps"] = decay_steps
    return [str(part) for pair in options.items() for part in pair] + ["--out", str(out), *more]


def start(*args: str) -> int:
    """Exit code of the script, run in this process."""
    try:
        return gan_fixes.main(list(args))
    except SystemExit as stop:
        return int(stop.code or 0)


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(SCRIPT.parent), *filter(None, sys.path)])  # the same extension as here
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def assert_same_numbers(folder: Path, expected: Path) -> None:
    """All results but the seconds agree to the bit."""
    assert [{**row, "seconds": ""} for row in table(folder)] == [{**row, "seconds": ""} for row in table(expected)]
    tensors, wanted = (safetensors.numpy.load_file(path / "checkpoint.safetensors") for path in (folder, expected))
    assert tensors.keys() == wanted.keys()
    timed = {"progress/seconds", "history/rows"}
    assert [name for name in tensors.keys() - timed if not np.array_equal(tensors[name], wanted[name])] == []
    for name in ("generated.png", "spectrum.png", "spectra.npz"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source("photo-crops", 32, flip=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of HFC and SSD."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    before = torch.get_num_threads()
    assert start(*arguments(folder, "--fix", "hfc", "--fix", "ssd", "--tensorboard")) == 0
    torch.set_num_threads(before)
    return folder


# What a run writes


def test_run_writes_all_its_files(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == FILES | {"tensorboard"}
    rows = table(finished)
    assert list(rows[0]) == ["step", "seconds", "loss_d", "loss_g", *MEASURES]
    assert [int(row["step"]) for row in rows] == [2, 4, 5]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    spectra = np.load(finished / "spectra.npz")
    assert {name: spectra[name].shape for name in spectra} == {"step": (3,), "real": (23,), "fake": (3, 23)}
    config = json.loads((finished / "config.json").read_text())
    assert (config["arch"], config["fix"], config["radius"], config["seed"]) == ("sngan", ["hfc", "ssd"], 20.0, 0)
    page = (finished / "report.html").read_text()
    assert "sngan, hfc+ssd" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_tensorboard_has_every_evaluation_once(finished: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"loss_d", "loss_g", *MEASURES}
    logged = [(event.step, event.value) for event in events.Scalars("e_high")]
    assert logged == [(int(row["step"]), pytest.approx(float(row["e_high"]), rel=1e-6)) for row in table(finished)]
    assert [event.step for event in events.Images("samples")] == [2, 4, 5]


@pytest.mark.parametrize(
    "more",
    [
        ["--arch", "ssgan", "--amp"],
        ["--arch", "infomax", "--loss", "non-saturating"],
        ["--resolution", "64", "--fix", "fsg", "--shift-images", "--data", "toyset"],
        ["--workers", "1", "--fix", "spectral-regularization+focal-frequency"],
    ],
    ids=lambda more: "-".join(part.strip("-") for part in more),
)
def test_other_ways_to_train(more: list[str], tmp_path: Path) -> None:
    assert start(*arguments(tmp_path / "out", *more, steps=2)) == 0
    (row,) = table(tmp_path / "out")
    assert all(np.isfinite(float(value)) for value in row.values())
    assert (float(row.get("loss_d_self", 0)) > 0) == ("--arch" in more)
    assert (float(row.get("penalty", 0)) > 0) == ("--workers" in more)


def test_run_on_another_toyset_is_not_resumed(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that recorded no recipe; on photographs there is none to record."""
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["toyset_recipe"]
    options = arguments(tmp_path / "run", "--fix", "hfc", "--fix", "ssd", "--resume")
    path.write_text(json.dumps(config | {"data": "toyset"}))
    assert start(*options, "--data", "toyset") == 2
    assert "its run has no toyset_recipe, which is 2 now;" in capsys.readouterr().err
    path.write_text(json.dumps(config))
    assert start(*options) == 0


def test_shifted_images_are_shifted_back(source: Source) -> None:
    """The generator learns images times (-1)^(m+n); its samples are measured as they would be without."""
    settings = GanSettings(fix=("fsg",), shift_images=True, width=16, batch=4, eval_images=8)
    run = GanRun(settings, source, torch.device("cpu"))
    signs = 1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2).float()
    assert torch.equal(run._carrier, signs)
    plain = GanRun(GanSettings(width=16, batch=4, eval_images=8), source, torch.device("cpu"))
    torch.testing.assert_close(run.generate(4), plain.generate(4), rtol=0, atol=1e-6)


def test_average_is_exponential(source: Source) -> None:
    run = GanRun(GanSettings(width=16, batch=4, eval_images=8, ema=0.75, lr=1e-2), source, torch.device("cpu"))
    assert run.average is not None
    expected = run.generator.colours.weight.detach().clone()
    for _ in range(2):
        run.advance()
        expected = 0.75 * expected + 0.25 * run.generator.colours.weight.detach()
    torch.testing.assert_close(run.average.colours.weight, expected)
    assert torch.equal(run.average.norm.running_mean, run.generator.norm.running_mean)


def test_rate_falls_to_zero_on_a_line(source: Source) -> None:
    settings = GanSettings(width=16, batch=4, eval_images=8, lr=1e-2, steps=4, decay_steps=4)
    run = GanRun(settings, source, torch.device("cpu"))
    rates = []
    for _ in range(4):
        run.advance()
        rates += [group["lr"] for optimizer in run._optimizers.values() for group in optimizer.param_groups]
    assert rates == pytest.approx([1e-2, 1e-2, 7.5e-3, 7.5e-3, 5e-3, 5e-3, 2.5e-3, 2.5e-3])


def test_amp_computes_networks_in_bfloat16_and_losses_in_float32(source: Source) -> None:
    kinds: dict[str, set[torch.dtype]] = {"judged": set(), "conv": set()}
    settings = GanSettings(width=16, batch=4, eval_images=8, amp=True, fix=("ssd",))
    run = GanRun(settings, source, torch.device("cpu"))
    run.generator.colours.register_forward_hook(lambda module, given, made: kinds["conv"].add(made.dtype))
    run.fixes.fixes[0].layer.register_forward_hook(lambda module, given, made: kinds["judged"].add(made.dtype))
    run.advance()
    assert kinds == {"judged": {torch.float32}, "conv": {torch.bfloat16}}
    plain = GanRun(GanSettings(width=16, batch=4, eval_images=8, amp=True), source, torch.device("cpu"))
    plain.advance()
    assert {part.dtype for part in (*run.parts.values(), *plain.parts.values())} == {torch.float32}
    assert all(weight.dtype == torch.float32 for weight in run.generator.parameters())


# Wrong input

WRONG = {
    "unknown-fix": (["--fix", "hfx"], "--fix must be of"),
    "contradiction": (["--fix", "hff+hfc"], "cannot be combined"),
    "no-folder": (["--data", "{tmp}/none"], "does not exist"),
    "width": (["--width", "20"], "multiple of 16"),
    "batch-of-one": (["--batch", "1"], "batch norm"),
    "quarters": (["--arch", "ssgan", "--batch", "6"], "multiple of 4"),
    "shift-images": (["--shift-images"], "goes with --fix fsg"),
    "shift": (["--fix", "fsg", "--shift", "0.25,0", "--shift-images"], "multiples of ½"),
    "no-shift": (["--fix", "fsg", "--shift", "1"], "FX,FY"),
    "radius": (["--radius", "0"], "above 0"),
    "ema": (["--ema", "1"], "must be in [0, 1)"),
    "features": (["--features", "torch.nn:Nothing"], "--features torch.nn:Nothing must name a subclass"),
    "weights": (["--features-weights", "x.pt"], "goes with --features"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_told_in_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more, told = WRONG[name]
    assert start(*arguments(tmp_path / "out", *[part.format(tmp=tmp_path) for part in more])) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert start("--help") == 0
    out = capsys.readouterr().out
    options = "device threads seed steps eval-every out resume fix arch data radius resolution width batch loss amp ema"
    assert all(f"--{option}" in out for option in options.split())


# Interruptions


def test_resumed_with_more_steps_is_as_never_stopped(finished: Path, tmp_path: Path) -> None:
    options = ("--fix", "hfc", "--fix", "ssd")
    assert start(*arguments(tmp_path / "run", *options, steps=3)) == 0
    assert start(*arguments(tmp_path / "run", *options, "--resume")) == 0
    assert_same_numbers(tmp_path / "run", finished)


def test_resume_keeps_the_decay_that_the_run_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --decay-steps more steps do not change it; asked for, another one is refused."""
    monkeypatch.setattr("studies.gans.experiment.write_report", lambda folder, result, config: None)
    assert start(*arguments(tmp_path / "run", steps=2, decay_steps=None)) == 0
    assert start(*arguments(tmp_path / "run", "--resume", steps=4, decay_steps=None)) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["steps"], config["decay_steps"]) == (4, 2)
    assert [row["step"] for row in table(tmp_path / "run")] == ["2", "4"]
    assert start(*arguments(tmp_path / "run", "--resume", steps=4, decay_steps=4)) == 2


def test_resume_refuses_other_settings(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(*arguments(finished, "--fix", "hfc", "--resume")) == 2
    assert "its run has fix ['hfc', 'ssd'], not ['hfc']" in capsys.readouterr().err


KILLED = """
# The run kills itself (SIGKILL) as it is about to compute its n-th loss of D.
import os, signal, sys
import gan_fixes
from studies.gans import losses

left = iter(range(int(sys.argv[1]) - 1))

def loss(real, fake):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return hinge.discriminator(real, fake)

hinge = losses.LOSSES["hinge"]
losses.LOSSES["hinge"] = losses.AdversarialLoss(loss, hinge.generator)
gan_fixes.main(sys.argv[2:])
"""


def test_killed_at_any_moment_goes_on_to_the_same_numbers(finished: Path, tmp_path: Path) -> None:
    """SIGKILL in the first step, between and right after checkpoints, at either loss of a step; then on to the end."""
    options = arguments(tmp_path / "run", "--fix", "hfc+ssd", "--resume")
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    for calls, step in ((2, 0), (6, 2), (5, 4)):
        command = [sys.executable, "-c", KILLED, str(calls), *options]
        process = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL)
        assert process.returncode == -signal.SIGKILL
        assert int(load_checkpoint(checkpoint)["progress"]["step"]) == step
    subprocess.run([sys.executable, str(SCRIPT), *options], env=environment(), check=True, stdout=subprocess.DEVNULL)
    assert_same_numbers(tmp_path / "run", finished)


# Losses that are not finite


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss of D that is NaN from its seventh call on: in the fourth step of two."""
    calls = iter(range(1000))

    def loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        value = losses.LOSSES["wasserstein"].discriminator(real, fake)
        return value * (float("nan") if next(calls) >= 6 else 1.0)

    hinge = losses.AdversarialLoss(loss, losses.LOSSES["hinge"].generator)
    monkeypatch.setitem(losses.LOSSES, "hinge", hinge)


@pytest.mark.usefixtures("diverging")
def test_loss_that_is_not_finite_stops_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: Source
) -> None:
    out = tmp_path / "out"
    assert start(*arguments(out, steps=9)) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "not finite at step 4: loss, loss_d, loss_g" in err
    assert str(out / "checkpoint.safetensors") in err
    assert [row["step"] for row in table(out)] == ["2"]
    state = load_checkpoint(out / "checkpoint.safetensors")
    assert all(tensor.isfinite().all() for section in state.values() for tensor in section.values())
    run = GanRun(GanSettings(width=16, batch=4, eval_images=8, ema=0.9), source, torch.device("cpu"))
    restore(run, out, 9)
    assert run.step == 2


def test_run_that_is_not_finite_at_once_leaves_the_first_checkpoint(source: Source, tmp_path: Path) -> None:
    run = GanRun(GanSettings(width=16, batch=4, eval_images=8), source, torch.device("cpu"))
    advance = run.advance

    def ruin() -> torch.Tensor:
        """A step after which the loss is finite, and a weight is not."""
        loss = advance()
        with torch.no_grad():
            run.generator.colours.weight[0, 0, 0, 0] = float("inf")
        return loss

    run.advance = ruin  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="not finite after step 1: weights"):
        train(run, tmp_path, steps=1, eval_every=1, title="", show_progress=False)
    state = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert int(state["progress"]["step"]) == 0
    fresh = GanRun(GanSettings(width=16, batch=4, eval_images=8), source, torch.device("cpu"))
    restore(fresh, tmp_path, 1)
    assert all(torch.isfinite(weight).all() for weight in fresh.generator.parameters())


# Several processes


def trained(tmp_path: Path, norms: str, processes: int) -> list[dict[str, dict[str, torch.Tensor]]]:
    path = tmp_path / f"{norms}{processes}-"
    program = [str(Path(__file__).parents[1] / "tools" / "gan_process.py"), norms, str(path)]
    launch = (
        ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"] if processes > 1 else []
    )
    subprocess.run([sys.executable, *launch, *program], env=environment(), check=True, timeout=300)
    return [load_checkpoint(Path(f"{path}{rank}")) for rank in range(processes)]


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    """1 × 8 and 2 × 4 images, to rounding, with batch norm over all of them; with each process's own, not."""
    (alone,) = trained(tmp_path, "sync", 1)
    first, second = trained(tmp_path, "sync", 2)
    own = trained(tmp_path, "own", 2)[0]
    for section, tensors in alone.items():
        assert all(torch.equal(second[section][name], value) for name, value in first[section].items())
        for name, value in tensors.items():
            torch.testing.assert_close(first[section][name], value, rtol=2e-3, atol=2e-3, msg=f"{section} {name}")
    apart = (own["generator"]["norm.running_var"] / alone["generator"]["norm.running_var"] - 1).abs().max()
    assert apart > 0.01


@pytest.mark.slow
def test_script_runs_in_two_processes(tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(SCRIPT)]
    done = subprocess.run(
        [*launch, *arguments(tmp_path / "out", steps=2)], env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert json.loads((tmp_path / "out" / "config.json").read_text())["processes"] == 2


def test_synchronized_norm_alone_is_torchs_own() -> None:
    x = torch.randn(4, 3, 5, 5)
    own, torchs = synchronized.SynchronizedBatchNorm2d(3), torch.nn.BatchNorm2d(3)
    torch.testing.assert_close(own(x), torchs(x))
    torch.testing.assert_close(own.running_var, torchs.running_var)


def test_synchronized_norm_does_not_cancel_beside_a_large_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean 1e3, deviation 1, against float64; the other process has the same images, so that sums are doubled."""
    monkeypatch.setattr(synchronized.distributed, "size", lambda: 2)
    monkeypatch.setattr(synchronized, "all_reduce", lambda tensor: 2 * tensor)
    x = (1e3 + torch.randn(8, 3, 16, 16)).requires_grad_()
    exact = x.detach().double().requires_grad_()
    own, torchs = synchronized.SynchronizedBatchNorm2d(3), torch.nn.BatchNorm2d(3).double()
    slope = torch.randn(8, 3, 16, 16)
    normed, expected = own(x), torchs(torch.cat([exact, exact]))[:8]
    torch.testing.assert_close(normed.double(), expected, rtol=0, atol=2e-4)
    torch.testing.assert_close(own.running_var.double(), torchs.running_var, rtol=1e-4, atol=0)
    normed.backward(slope)
    (gradient,) = torch.autograd.grad(expected, exact, slope.double())
    torch.testing.assert_close(x.grad.double(), gradient, rtol=1e-3, atol=1e-4)


# Sweeps of runs


PROGRAM = """
import sys, pathlib
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1]); out.mkdir(exist_ok=True)
assert "--resume" in sys.argv and sys.argv[sys.argv.index("--threads") + 1] == "1"
if "fail" in sys.argv: sys.exit("broken")
(out / "started").write_text((out / "started").read_text() + "x" if (out / "started").exists() else "x")
(out / "report.html").touch()
"""


def test_sweep_runs_what_is_not_finished(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    jobs = [Job(script, (), tmp_path / "runs" / str(number)) for number in range(3)]
    run_all(jobs)
    (jobs[1].folder / "report.html").unlink()
    run_all(jobs)
    assert [(job.folder / "started").read_text() for job in jobs] == ["x", "xx", "x"]


def test_sweep_refuses_a_run_of_other_settings(tmp_path: Path) -> None:
    """Finished or not, before anything is started, and nothing is overwritten; a run of its own settings counts."""
    script, folder = tmp_path / "script.py", tmp_path / "run"
    script.write_text(PROGRAM)
    folder.mkdir()
    (folder / "config.json").write_text('{"resolution": 64, "fix": ["hff"], "steps": 3, "threads": 1}')
    own, other = (
        Job(script, (), folder, settings={folder: {"resolution": resolution, "fix": ["hff"], "newer": 1}})
        for resolution in (64, 32)
    )
    for _ in range(2):
        with pytest.raises(InputError, match="run holds a run of other settings: resolution 64, not 32; give another"):
            run_all([Job(script, (), tmp_path / "first"), other])
        assert not (tmp_path / "first").exists()
        assert not (folder / "started").exists()
        (folder / "report.html").touch()
    run_all([own])
    assert not (folder / "started").exists()


def test_sweep_tells_the_run_that_fails(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    jobs = [Job(script, ("fail",), tmp_path / "a"), *(Job(script, (), tmp_path / str(number)) for number in range(9))]
    with pytest.raises(TrainingError, match=r"a failed: broken; see .*log"):
        run_all(jobs, at_once=1)
    assert not any(job.is_finished for job in jobs)


def test_batch_is_to_be_divided_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    from studies.core import distributed

    monkeypatch.setattr(distributed, "size", lambda: 3)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    assert distributed.share(9) == range(3, 6)
    with pytest.raises(InputError, match="multiple of the 3 processes; got 8"):
        distributed.share(8)
