"""A Triton driver without a GPU: `kernel[grid](cpu_tensors)` goes through the real JIT and compiler to the interpreter.

Compiled kernels of the driver know no device, so what is launched must be a function of tensors on the CPU.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton
from cuda_source import KEPT
from kernel_resources import Resources, resources_of
from ptx import MOST_SHARED, Counters, Kernel, Module
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
WORD = 4  # bytes of a spilled register


@dataclass
class Run:
    """One launch: the interpreted kernel, what the compiler made and says of it, its shape, what it asked of memory."""

    kernel: Kernel
    ptx: str
    resources: Resources
    metadata: Any
    grid: tuple[int, int, int]
    counters: Counters
    storages: list[int]

    def storage(self, tensor: torch.Tensor) -> int:
        """Returns the number under which the counters know a tensor's storage; -1 of one that the launch has not."""
        place = tensor.untyped_storage().data_ptr()
        return self.storages.index(place) if place in self.storages else -1


@dataclass
class Recorder:
    """The runs that `executed_on` yields, and options of `ptx.Kernel.launch`."""

    runs: list[Run] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


def storage_bytes(tensor: torch.Tensor) -> np.ndarray:
    """Returns all bytes of a tensor's storage as an array at their own address."""
    storage = tensor.untyped_storage()
    if not storage.nbytes():
        return np.zeros(0, np.uint8)
    return np.frombuffer((ctypes.c_ubyte * storage.nbytes()).from_address(storage.data_ptr()), np.uint8)


class _Launcher:
    def __init__(self, source: Any, metadata: Any) -> None:
        self.kinds, self.metadata = list(source.signature.values()), metadata

    def __call__(self, *call: Any) -> None:
        grid, (_, function), arguments = call[:3], call[3:5], call[9:]
        kernel, text, resources = function
        values, storages = [], {}
        for kind, argument in zip(self.kinds, arguments, strict=True):
            if kind == "constexpr":
                continue
            if isinstance(argument, torch.Tensor):
                if argument.device.type != "cpu":
                    raise TypeError("tensors are to be on the CPU here")
                storages.setdefault(argument.untyped_storage().data_ptr(), storage_bytes(argument))
                argument = argument.data_ptr()
            values.append(argument)
        values += [0] * (len(kernel.entry.parameters) - len(values))  # scratch memory, of which there is none
        recorder = PtxDriver.recorder
        counters = kernel.launch(
            grid,
            self.metadata.num_warps * 32,
            values,
            self.metadata.shared,
            [storage for storage in storages.values() if len(storage)],
            **recorder.options,
        )
        known = [address for address, storage in storages.items() if len(storage)]
        recorder.runs.append(Run(kernel, text, resources, self.metadata, grid, counters, known))


class _Binaries:
    """What Triton asks of a device, without one; `loading` is the PTX of the kernel whose binary it loads next."""

    loading = ""

    def load_binary(self, name: str, binary: bytes, shared: int, device: int) -> tuple[None, Any, int, int, int]:
        text = _Binaries.loading
        if text not in _modules:
            _modules[text] = Module(text)
            (_resources[text],) = resources_of(binary, TOOLS / "cuobjdump", device).values()
        # No module, which a kernel that is freed later would ask the driver of that time to unload.
        resources = _resources[text]
        function = (_modules[text].kernel(name), text, resources)
        return None, function, resources.registers, resources.stack // WORD, 1024

    def get_device_properties(self, device: int) -> dict[str, int]:
        return {"max_shared_mem": MOST_SHARED, "max_num_regs": 65536, "multiprocessor_count": 132, "warpSize": 32}


_modules: dict[str, Module] = {}
_resources: dict[str, Resources] = {}


def _remember_ptx(module: Any, function: Any, name: str, metadata_group: dict[str, str], digest: str) -> None:
    _Binaries.loading = next(Path(path).read_text() for path in metadata_group.values() if path.endswith(".ptx"))


class PtxDriver(DriverBase):
    """Compiles for sm_`arch` and executes the PTX."""

    recorder = Recorder()

    def __init__(self, arch: int) -> None:
        self.arch, self.utils, self.launcher_cls = arch, _Binaries(), _Launcher
        self.get_current_device = lambda: arch  # Triton keeps compiled kernels by device
        self.get_current_stream = lambda device: 0
        self.set_current_device = lambda device: None
        self.get_device_capability = lambda device: divmod(arch, 10)

    @classmethod
    def is_active(cls) -> bool:
        return True

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.arch, 32)

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def map_python_to_cpp_type(self, kind: str) -> str:
        return kind

    def get_benchmarker(self) -> Any:
        raise NotImplementedError("nothing can be timed here: list configurations instead of tuning")

    def get_empty_cache_for_benchmark(self) -> Any:
        raise NotImplementedError("nothing can be timed here")

    def clear_cache(self, cache: Any) -> None:
        pass

    def get_device_interface(self) -> Any:
        return torch.cpu


@contextmanager
def executed_on(arch: int, **options: Any) -> Iterator[list[Run]]:
    """Triton kernels launched inside the block are compiled for sm_`arch` and interpreted; yields their runs.

    The options are those of `ptx.Kernel.launch`.
    """
    recorder = Recorder(options=options)
    active = triton.runtime.driver._active  # None before its first use; its public reader would look for a GPU
    before, hook = PtxDriver.recorder, knobs.runtime.kernel_load_start_hook
    os.environ.setdefault("TRITON_CACHE_DIR", str(KEPT / "triton"))
    PtxDriver.recorder = recorder
    knobs.runtime.kernel_load_start_hook = _remember_ptx
    triton.runtime.driver.set_active(PtxDriver(arch))
    try:
        yield recorder.runs
    finally:
        PtxDriver.recorder, knobs.runtime.kernel_load_start_hook = before, hook
        triton.runtime.driver.set_active(active)
