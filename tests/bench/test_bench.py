"""The benchmark's promises: no speed while tests fail, a status for every must, peers that cannot run left out."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

main = pytest.importorskip("bench.__main__", reason="the repository's root is not on the path: python -m pytest")
registry = pytest.importorskip("bench.registry")


def takes_no_time() -> None:
    return None


def timings() -> Any:
    return registry.Timings(registry.Timed(takes_no_time), {"peer": registry.Timed(takes_no_time)}, ("peer",))


def without_peer() -> Any:
    raise registry.PeerError("torch.compile: no C++ compiler")


def entry(must: float | None, setup: Any = timings) -> Any:
    return registry.Entry("speed", "1 x 1²", ("test_structure.py",), setup, must, must)


@pytest.fixture(autouse=True)
def _fast_and_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.measure.SECONDS_PER_REPEAT", 1e-5)
    monkeypatch.setattr(main, "REGISTRY", registry.Registry())
    monkeypatch.setattr(main, "failing", lambda tests: "")


def run(tmp_path: Path, *options: str) -> int:
    return main.main(["--out", str(tmp_path), *options])


def rows(tmp_path: Path) -> list[dict[str, str]]:
    first, *lines = (tmp_path / "results.csv").read_text().splitlines()
    assert first.startswith("# ")
    return list(csv.DictReader(lines))


def test_no_speed_while_tests_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main.REGISTRY.entries.append(entry(None))
    asked = []
    monkeypatch.setattr(main, "failing", lambda tests: asked.append(tests) or "1 failed")
    assert run(tmp_path) == 1
    assert asked == [{"test_structure.py"}]
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "results.csv").exists()


def test_a_failing_test_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text("def test_one():\n    assert False, 'as it should'\n")
    (tmp_path / "tests" / "test_two.py").write_text("def test_two():\n    pass\n")
    monkeypatch.setattr(main, "ROOT", tmp_path)
    assert "as it should" in main.failing({"test_one.py", "test_two.py"})
    assert main.failing({"test_two.py"}) == ""


@pytest.mark.parametrize(
    ("kind", "made"),
    {
        "speed": ("entries", lambda met: entry(1e9 if met else 0.0)),
        "memory": (
            "memory",
            lambda met: registry.MemoryEntry("memory", "", (), "held = 0", 2**40 if met else -(2**40)),
        ),
        "accuracy": ("accuracy", lambda met: registry.AccuracyEntry("accuracy", "", (), lambda: (1.0, float(met)))),
    }.values(),
    ids=["speed", "memory", "accuracy"],
)
def test_a_missed_must_is_an_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, made: Any) -> None:
    monkeypatch.setattr(main, "peak_bytes", lambda entry: 0)
    for met in (True, False):
        monkeypatch.setattr(main, "REGISTRY", registry.Registry(**{kind: [made(met)]}))
        assert run(tmp_path) == 0
        assert run(tmp_path, "--check") == (0 if met else 1)
        assert (rows(tmp_path)[0]["verdict"] == "missed") == (not met)


def test_a_peer_that_cannot_run_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main.REGISTRY.entries += [entry(0.5, without_peer), entry(None)]
    assert run(tmp_path, "--check") == 0
    assert "no C++ compiler" in capsys.readouterr().out
    assert [row["verdict"] for row in rows(tmp_path)] == ["left out", ""]


def test_a_claim_that_is_not_there(tmp_path: Path) -> None:
    assert run(tmp_path, "--only", "nothing of that name") == 2


def test_every_entry_names_tests_that_are_there() -> None:
    spectral = pytest.importorskip("bench.spectral")
    tests = {test for kind in vars(spectral.REGISTRY).values() for entry in kind for test in entry.tests}
    assert tests
    assert all((Path(__file__).parents[1] / test).exists() for test in tests)
