"""Builds specops/_native.so and the package around it.

The library needs a C++ compiler alone: neither torch nor Python's headers, since torch's C functions are found when it
is loaded. What does not compile fails the installation.

SPECOPS_BUILD=0 leaves the library out, as a machine without a compiler does: the package runs on torch alone.
SPECOPS_CUDA=1 builds CUDA kernels for all GPUs and 0 none; unset, for the GPUs of this machine where it has a toolkit.
SPECOPS_SANITIZE=address,undefined builds the library for the sanitizers.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, NamedTuple

from setuptools import Command, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError

ROOT = Path(__file__).parent.resolve()
TORCH_FREE = ("csrc/isa/", "csrc/fft/", "csrc/spectral/cpu/plans/", "csrc/resample/cpu/operator.cpp", "csrc/numpy/")
CPP_SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("csrc/**/*.cpp"))
CPP_SOURCES.sort(key=lambda path: not path.startswith("csrc/isa/"))  # those that take longest come first
CORE_SOURCES = [path for path in CPP_SOURCES if path.startswith(TORCH_FREE)]
CPP_SOURCES = [path for path in CPP_SOURCES if not path.startswith("csrc/numpy/")]
SOURCES = [path for path in CPP_SOURCES if not path.endswith("_cuda.cpp")]
CUDA_SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("csrc/**/*_cuda.cu"))
CUDA_ARCHITECTURES = (80, 90, 100)
TORCH_LIBRARIES = ("torch_cpu", "torch")  # the second brings torch's CUDA functions where there are such
# -fwrapv, with which Python's extensions are built: it has a part in which products of a sum the compiler fuses.
FLAGS = ["-std=c++17", "-O3", "-fPIC", "-fwrapv", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
FLAGS += ["-Wall", "-g0"]
NOTE = "_native_build.txt"
CUDA_NOTE = "_cuda_build.txt"
COMPILERS = ("c++", "g++", "clang++")


class Cuda(NamedTuple):
    """What the CUDA kernels are built with and for: 90 is sm_90, `ptx` is for GPUs newer than those."""

    toolkit: Path
    architectures: tuple[int, ...]
    ptx: bool


@dataclass(frozen=True)
class Step:
    """A command of the build, run from the root of the sources. Steps with a depfile are independent of each other."""

    kind: str
    output: str
    inputs: Sequence[str]
    command: Sequence[str]
    depfile: str | None = None


def flags() -> list[str]:
    """Returns the compiler's options for all C++ sources."""
    sanitizers = os.environ.get("SPECOPS_SANITIZE")
    own = ["-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={sanitizers}"] if sanitizers else []
    return [*FLAGS, *own, *shlex.split(os.environ.get("CXXFLAGS", ""))]


def cxx() -> list[str]:
    """Returns the command of the C++ compiler."""
    return os.environ.get("CXX", "").split() or [next(filter(shutil.which, COMPILERS))]


def compiled(source: str, folder: Path, cuda_targets: str = "", includes: Sequence[str] = ()) -> Step:
    """Compiles a C++ source."""
    made = str(folder / Path(source).with_suffix(".o"))
    macros = [f"-DSPECOPS_CUDA_TARGETS={cuda_targets}"] if cuda_targets and source == "csrc/library.cpp" else []
    command = [*cxx(), *flags(), "-Icsrc", *includes, *macros, "-MD", "-MF", f"{made}.d", "-c", source, "-o", made]
    return Step("C++", made, [source], command, f"{made}.d")


def compiled_cuda(source: str, folder: Path, cuda: Cuda) -> Step:
    """Compiles a CUDA source."""
    made = str(folder / Path(source).with_suffix(".cu.o"))
    targets = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in cuda.architectures]
    if cuda.ptx:
        newest = cuda.architectures[-1]
        targets.append(f"-gencode=arch=compute_{newest},code=compute_{newest}")
    command = [str(cuda.toolkit / "bin" / "nvcc"), "-std=c++17", "-O3", "-Icsrc", *targets, "--threads=2"]
    command += ["-Xptxas=-warn-spills,-Werror", "-Xcompiler=-fPIC,-fvisibility=hidden", "-MD", "-MF", f"{made}.d"]
    return Step("CUDA", made, [source], [*command, "-c", source, "-o", made], f"{made}.d")


def named_library(name: str, folder: Path) -> Step:
    """Makes an empty library of a name of torch, which the linker notes; at run time torch's own is there."""
    made = str(folder / f"lib{name}.so")
    command = [*cxx(), "-shared", "-nostdlib", "-x", "c++", os.devnull, f"-Wl,-soname,lib{name}.so", "-o", made]
    return Step("name", made, [], command)


def build_steps(made: Path, folder: Path, cuda: Cuda | None) -> list[Step]:
    """Returns the steps that make the library, with CUDA kernels or without; the last one links."""
    targets = ",".join(f"sm_{arch}" for arch in cuda.architectures) if cuda else ""
    steps = [compiled(source, folder, targets) for source in (CPP_SOURCES if cuda else SOURCES)]
    libraries: list[str] = []
    if cuda:
        steps += [compiled_cuda(source, folder, cuda) for source in CUDA_SOURCES]
        static = ("cudart_static", "culibos", "dl", "rt", "pthread")
        libraries = [f"-L{cuda.toolkit / 'lib64'}", *map("-l{}".format, static)]
    objects = [step.output for step in steps]
    names = [named_library(name, folder) for name in TORCH_LIBRARIES]
    empty = [step.output for step in names]
    command = [*cxx(), *flags(), "-shared", *objects, "-Wl,--no-as-needed", *empty, "-Wl,--as-needed", *libraries]
    command += ["-Wl,-z,now", "-Wl,--exclude-libs,ALL", *shlex.split(os.environ.get("LDFLAGS", "")), "-o", str(made)]
    return [*steps, *names, Step("link", str(made), [*objects, *empty], command)]


def run_with_ninja(steps: Sequence[Step], folder: Path) -> None:
    """Runs those steps whose command or inputs have changed, included headers among them."""
    import ninja
    from ninja import ninja_syntax as syntax

    with (folder / "build.ninja").open("w") as file:
        writer = syntax.Writer(file)  # type: ignore[arg-type]
        writer.variable("builddir", syntax.escape_path(str(folder)))
        writer.rule("compile", "$run", description="$kind $in", depfile="$depfile", deps="gcc")
        writer.rule("make", "$run", description="$kind $out")
        for step in steps:
            variables = {"run": syntax.escape(shlex.join(step.command)), "kind": step.kind, "depfile": step.depfile}
            rule = "compile" if step.depfile else "make"
            writer.build([step.output], rule, list(step.inputs), variables={k: v for k, v in variables.items() if v})
    run([str(Path(ninja.BIN_DIR) / "ninja"), "-f", str(folder / "build.ninja")])


def run_all(steps: Sequence[Step]) -> None:
    """Runs all steps, the independent ones in parallel."""

    def told(step: Step) -> None:
        print(step.kind, *(step.inputs if step.depfile else [step.output]), flush=True)
        Path(step.output).parent.mkdir(parents=True, exist_ok=True)
        run(step.command)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(told, [step for step in steps if step.depfile]))
    for step in steps:
        if not step.depfile:
            told(step)


def run(command: Sequence[str]) -> None:
    """Runs a command and shows what it prints. Raises RuntimeError with the line that tells why it failed."""
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.strip())
    if process.returncode:
        telling = (line for line in lines if re.search(r"\berror *:|not found", line))
        raise RuntimeError(next(telling, lines[-1] if lines else command[0]))


def pure_torch() -> str | None:
    """Returns why the package is to have no library and how that is mended, or None where the library is built."""
    again = "`pip install --force-reinstall --no-deps .` in its checkout"
    if os.environ.get("SPECOPS_BUILD", "1") == "0":
        return f"it was built with SPECOPS_BUILD=0. {again}, without that, builds the extension"
    if os.environ.get("CXX") or any(map(shutil.which, COMPILERS)):
        return None
    return f"no C++ compiler was found ({', '.join(COMPILERS)}) when it was built. Install one, then {again}"


def cuda() -> Cuda | str:
    """Returns what the CUDA kernels are built with, or why there are none. Exits where SPECOPS_CUDA asks in vain."""
    wanted = os.environ.get("SPECOPS_CUDA", "")
    if wanted not in ("", "0", "1"):
        choice = "1 (CUDA kernels for all GPUs), 0 (none) or unset (for the GPUs of this machine)"
        raise SystemExit(f"SPECOPS_CUDA must be {choice}; got {wanted!r}")
    if wanted == "0":
        return "SPECOPS_CUDA=0 was set"
    toolkit = cuda_toolkit()
    if isinstance(toolkit, str):
        if wanted == "1":
            raise SystemExit(f"SPECOPS_CUDA=1, but {toolkit}")
        return toolkit
    if wanted == "1":
        return Cuda(toolkit, CUDA_ARCHITECTURES, ptx=True)
    gpus = gpu_architectures()
    return gpus if isinstance(gpus, str) else Cuda(toolkit, gpus, ptx=False)


def cuda_toolkit() -> Path | str:
    """Returns the root of the CUDA toolkit, or why there is none."""
    if os.environ.get("SPECOPS_SANITIZE"):
        return "the build for the sanitizers has no CUDA kernels"
    home, nvcc = os.environ.get("CUDA_HOME"), shutil.which("nvcc")
    candidates = [Path(home)] if home else [Path("/usr/local/cuda")]
    if nvcc and not home:  # it may be a script that calls the toolkit's own
        candidates.insert(0, Path(nvcc).resolve().parents[1])
    for root in candidates:
        if (root / "bin" / "nvcc").exists() and (root / "lib64" / "libcudart_static.a").exists():
            return root
    return f"no CUDA toolkit was found (no bin/nvcc and lib64/libcudart_static.a in {candidates[-1]})"


def gpu_architectures() -> tuple[int, ...] | str:
    """Returns the architectures of this machine's GPUs, as the driver tells, or why there are none for the kernels."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no GPU was found when it was built: no driver is installed"
    count, device, number = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return "no GPU was found when it was built: the driver has none"
    found = set()
    for place in range(count.value):
        driver.cuDeviceGet(ctypes.byref(device), place)
        version = []
        for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
            driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
            version.append(number.value)
        found.add(10 * version[0] + version[1])
    oldest = CUDA_ARCHITECTURES[0]
    return tuple(sorted(each for each in found if each >= oldest)) or (
        f"the GPU is sm_{max(found)}; the kernels are for sm_{oldest} and later"
    )


class BuildPackage(build_py):  # type: ignore[misc]
    """Copies the package, with a note where it gets no library."""

    def run(self) -> None:
        package = (ROOT if self.editable_mode else Path(self.build_lib)) / "specops"
        if not self.editable_mode:
            shutil.rmtree(package, ignore_errors=True)  # with modules that are gone
        super().run()
        write_note(package / NOTE, pure_torch())


class BuildNative(build_ext):  # type: ignore[misc]
    """Builds the library. Raises CompileError where that fails, after what the compiler tells."""

    def run(self) -> None:
        in_source = bool(self.inplace or self.editable_mode)  # the next call resets inplace
        self.without_cuda: str | None = None
        super().run()
        package = (ROOT if in_source else Path(self.build_lib)) / "specops"
        write_note(package / NOTE, pure_torch())
        write_note(package / CUDA_NOTE, self.without_cuda)

    def get_ext_filename(self, fullname: str) -> str:
        return fullname.replace(".", os.sep) + ".so"  # of no version of Python

    def build_extension(self, ext: Extension) -> None:
        found = cuda()
        self.without_cuda = found if isinstance(found, str) else None
        made, folder = Path(self.get_ext_fullpath(ext.name)), Path(self.build_temp)
        for path in (made.parent, folder):
            path.mkdir(parents=True, exist_ok=True)
        steps = build_steps(made, folder, found if isinstance(found, Cuda) else None)
        try:
            if find_spec("ninja"):
                run_with_ninja(steps, folder)
            else:
                run_all(steps)
        except RuntimeError as error:
            without = "; SPECOPS_CUDA=0 leaves the CUDA kernels out" if isinstance(found, Cuda) else ""
            raise CompileError(f"the extension of specops does not compile: {error}{without}") from None


def write_note(path: Path, text: str | None) -> None:
    """Makes a file of the text; of none, no file."""
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text + "\n")


class BuildCore(Command):  # type: ignore[misc]
    """Binds what needs no torch to NumPy's arrays: the module specops_core in build/core, for tests alone."""

    user_options: ClassVar[list[tuple[str, str | None, str | None]]] = []

    def initialize_options(self) -> None: ...

    def finalize_options(self) -> None: ...

    def run(self) -> None:
        import pybind11

        folder = Path(self.get_finalized_command("build").build_temp)
        made = ROOT / "build" / "core" / f"specops_core{sysconfig.get_config_var('EXT_SUFFIX')}"
        for path in (made.parent, folder):
            path.mkdir(parents=True, exist_ok=True)
        includes = [f"-isystem{path}" for path in (pybind11.get_include(), sysconfig.get_path("include"))]
        steps = [compiled(source, folder, includes=includes if "numpy" in source else ()) for source in CORE_SOURCES]
        objects = [step.output for step in steps]
        link = Step("link", str(made), objects, [*cxx(), *flags(), "-shared", *objects, "-o", str(made)])
        run_with_ninja([*steps, link], folder)


class Wheel(bdist_wheel):  # type: ignore[misc]
    """A wheel for any Python, and with the library for one platform."""

    def get_tag(self) -> tuple[str, str, str]:
        tag: tuple[str, str, str] = super().get_tag()
        return ("py3", "none", tag[2])


if __name__ == "__main__":
    libraries = [] if pure_torch() else [Extension("specops._native", SOURCES)]
    commands = {"build_py": BuildPackage, "build_ext": BuildNative, "build_core": BuildCore, "bdist_wheel": Wheel}
    setup(ext_modules=libraries, cmdclass=commands)
