"""A run over sets of pictures: blocks over processes, progress, and a state to go on from."""

from __future__ import annotations

import io
import itertools
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

import specops
from specops.report.files import write_atomically
from specops.spectra.errors import InputError
from specops.spectra.loading import BLOCK, Chunk, Framing, Part, chunks
from specops.spectra.progress import progress
from specops.spectra.sources import Source, fingerprint
from specops.spectra.sums import Measure, Sums, blocks

SECONDS_BETWEEN_STATES = 20.0


@dataclass(frozen=True)
class Processes:
    """The processes that share the work: the place of this one, and how many there are."""

    rank: int = 0
    count: int = 1

    def in_order(self, own: Sums | None) -> list[Sums]:
        """Returns what each process has made, in their order, in the first one; fewer than all are the last."""
        if self.count == 1:
            return [] if own is None else [own]
        gathered: list[Any] | None = [None] * self.count if self.rank == 0 else None
        dist.gather_object(own, gathered)
        return [each for each in gathered or () if each is not None]

    def same(self, value: Any) -> Any:
        """Returns what the first process has."""
        if self.count == 1:
            return value
        shared = [value]
        dist.broadcast_object_list(shared)
        return shared[0]


@contextmanager
def processes() -> Iterator[Processes]:
    """The processes of torchrun, or this one alone. Objects travel by gloo, whatever the device."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    dist.init_process_group("gloo")
    try:
        yield Processes(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()


@dataclass
class State:
    """What has been summed: of each set the sums, and the number of the next picture; None when a set is done."""

    key: str
    sums: list[Sums] = field(default_factory=list)
    following: list[int | None] = field(default_factory=list)

    def written(self) -> bytes:
        """Returns it as the bytes of an .npz file."""
        stream = io.BytesIO()
        about = np.frombuffer(json.dumps({"key": self.key, "following": self.following}).encode(), np.uint8)
        arrays = {f"{i}.{name}": array for i, sums in enumerate(self.sums) for name, array in sums.arrays().items()}
        np.savez(stream, about=about, **arrays)  # type: ignore[arg-type]
        return stream.getvalue()

    @classmethod
    def read(cls, path: Path) -> State:
        """Returns what `written` wrote to a file; raises InputError where it is another file."""
        try:
            with np.load(path, allow_pickle=False) as loaded:
                about = json.loads(loaded["about"].tobytes())
                state = cls(about["key"], following=about["following"])
                for i in range(len(state.following)):
                    names = [name for name in loaded.files if name.startswith(f"{i}.")]
                    state.sums.append(Sums.of_arrays({name.partition(".")[2]: loaded[name] for name in names}))
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is not the state of a run; give --overwrite") from error
        return state


@dataclass(frozen=True)
class Job:
    """The sets of a run, and how they are read and measured."""

    names: Sequence[str]
    sources: Sequence[Source]
    framing: Framing
    measure: Measure
    limit: int | None = None
    workers: int = 0
    batch: int | None = None

    @property
    def key(self) -> str:
        """What a state must have been made of, to go on from it."""
        parts = [fingerprint(source, self.limit) for source in self.sources]
        measure = replace(self.measure, device=torch.device(self.measure.device).type)
        return json.dumps([specops.__version__, parts, str(self.framing), str(measure), self.limit])

    def run(self, team: Processes, state_file: Path, resume: bool) -> list[Sums]:
        """Returns the sums of each set, in the first process; writes a state at once, and then now and then.

        Raises:
            InputError: the state was made of other pictures or options.
            OSError: the state cannot be written; the one before is whole.
        """
        state = team.same(self._state(state_file, resume) if team.rank == 0 else None)
        for i, source in enumerate(self.sources):
            if i == len(state.sums):
                state.sums.append(Sums())
                state.following.append(0)
            if state.following[i] is not None:
                self._run_set(i, source, state, team, state_file)
        return list(state.sums)

    def _state(self, path: Path, resume: bool) -> State:
        state = State(self.key)
        if resume and path.exists():
            old = State.read(path)
            if old.key != state.key:
                raise InputError(
                    "--resume: pictures or options are not those of the run that was cut off; give --overwrite"
                )
            return old
        write_atomically(path, state.written())
        return state

    def _run_set(self, i: int, source: Source, state: State, team: Processes, path: Path) -> None:
        start = state.following[i] or 0
        part = Part(start, self.limit, team.rank, team.count)
        total = source.count(self.limit) if team.rank == 0 else None
        written = time.monotonic()
        with progress(self.names[i], total, start, team.rank == 0) as tell:
            read = chunks(source, self.framing, self.measure.size, part, self.workers, self.batch)
            own = blocks(self.measure, _told(read, tell, start, team.count))
            for turn in itertools.count(1):
                made = team.in_order(next(own, None))
                for each in made:
                    state.sums[i] += each
                last = team.same(len(made) < team.count)
                state.following[i] = None if last else start + turn * team.count * BLOCK
                if last:
                    state.sums[i].choose()
                if team.rank == 0 and (last or time.monotonic() - written > SECONDS_BETWEEN_STATES):
                    write_atomically(path, state.written())
                    written = time.monotonic()
                if last:
                    tell(state.sums[i].n + len(state.sums[i].skipped))
                    return


def _told(chunks: Iterator[Chunk], tell: Callable[[int], None], start: int, count: int) -> Iterator[Chunk]:
    """The chunks, of which it is told how many pictures so many processes have done."""
    done = start
    for chunk in chunks:
        yield chunk
        done += count * len(chunk.names)
        tell(done)
