"""What a run has measured, and how checkpoints bring it back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from studies.core.errors import InputError
from studies.core.record.checkpoints import load_checkpoint
from studies.core.record.history import History


def add(history: History, *steps: int) -> History:
    for step in steps:
        row = {"step": step, "seconds": step / 7, "loss": 1 / step}
        history.add(row, np.full(12, 1 / step), torch.full((1, 3, 2, 2), step, dtype=torch.uint8))
    return history


def test_history_keeps_few_pictures_and_the_last() -> None:
    kept = add(History(), *range(10, 240, 10)).pictures
    assert [step // 10 for step in kept] == [1, 2, 3, 4, 6, 8, 12, 16, 23]
    assert all(int(picture[0, 0, 0, 0]) == step for step, picture in kept.items())


def test_longer_runs_keep_the_same_early_pictures() -> None:
    irregular = add(History(), 3, 6, 9, 12, 15, 16)
    irregular.drop_irregular(3)
    regular = add(History(), 3, 6, 9, 12, 15)
    assert irregular.metrics_csv() == regular.metrics_csv()
    for history in (irregular, regular):
        add(history, 18)
    assert list(irregular.pictures) == list(regular.pictures) == [3, 6, 9, 12, 18]


def test_pictures_of_an_average_are_thinned_and_kept_as_the_others() -> None:
    """In a history that stopped off the grid and went on through tensors, as in one that never stopped."""

    def append(history: History, steps: list[int]) -> None:
        for step in steps:
            raw, average = (torch.full((1, 3, 2, 2), value, dtype=torch.uint8) for value in (step, 100 + step))
            row = {"step": step, "seconds": 1.0}
            history.add(row, np.full(12, step), raw, average=(np.full(12, -step), average))

    whole, stopped = History(), History()
    append(whole, list(range(3, 25, 3)))
    append(stopped, [3, 6, 9, 12, 15, 16])
    resumed = History.from_tensors(stopped.tensors())
    resumed.drop_irregular(3)
    append(resumed, [18, 21, 24])
    for history in (whole, resumed):
        assert list(history.average_pictures) == list(history.pictures) == [3, 6, 9, 12, 18, 24]
        assert all(int(picture[0, 0, 0, 0]) == 100 + step for step, picture in history.average_pictures.items())
    assert resumed.tensors().keys() == whole.tensors().keys()
    assert all(torch.equal(resumed.tensors()[name], tensor) for name, tensor in whole.tensors().items())
    assert np.array_equal(resumed.averages, whole.averages)


def test_history_survives_tensors_and_csv_exactly() -> None:
    history = add(History(), 1, 2, 3)
    again = History.from_tensors(history.tensors())
    assert again.rows == history.rows
    assert np.array_equal(again.spectra_array(), history.spectra_array())
    assert again.metrics_csv() == history.metrics_csv()
    table = list(csv.DictReader(io.StringIO(history.metrics_csv().decode())))
    assert tuple(table[0]) == ("step", "seconds", "loss")
    assert [float(row["loss"]) for row in table] == [1 / step for step in (1, 2, 3)]


def test_broken_checkpoint_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(path)
