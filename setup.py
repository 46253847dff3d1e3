"""Builds specops/_native.so; where that is impossible, installs the pure-torch package and notes the reason.

The library needs a C++ compiler alone: neither torch nor Python's headers, since torch's C functions are found when it
is loaded. SPECOPS_BUILD=0 skips it. SPECOPS_SANITIZE=address,undefined builds it for the sanitizers.
SPECOPS_CUDA=0 (the default) leaves the CUDA kernels out, 1 fails where they cannot be built, auto builds them where a
CUDA toolkit is found and notes the reason where it cannot; neither asks for a GPU.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

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
FLAGS = ["-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-Wall", "-g0"]
NOTE = "_native_build.txt"
CUDA_NOTE = "_cuda_build.txt"


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
    found = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), "c++")
    return os.environ.get("CXX", "").split() or [found]


def compiled(source: str, folder: Path, cuda_targets: str = "", includes: Sequence[str] = ()) -> Step:
    """Compiles a C++ source."""
    made = str(folder / Path(source).with_suffix(".o"))
    macros = [f"-DSPECOPS_CUDA_TARGETS={cuda_targets}"] if cuda_targets and source == "csrc/library.cpp" else []
    command = [*cxx(), *flags(), "-Icsrc", *includes, *macros, "-MD", "-MF", f"{made}.d", "-c", source, "-o", made]
    return Step("C++", made, [source], command, f"{made}.d")


def compiled_cuda(source: str, folder: Path, toolkit: Path) -> Step:
    """Compiles a CUDA source for all architectures."""
    made, newest = str(folder / Path(source).with_suffix(".cu.o")), CUDA_ARCHITECTURES[-1]
    targets = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in CUDA_ARCHITECTURES]
    targets.append(f"-gencode=arch=compute_{newest},code=compute_{newest}")  # for GPUs to come
    command = [str(toolkit / "bin" / "nvcc"), "-std=c++17", "-O3", "-Icsrc", *targets, "--threads=2"]
    command += ["-Xptxas=-warn-spills,-Werror", "-Xcompiler=-fPIC,-fvisibility=hidden", "-MD", "-MF", f"{made}.d"]
    return Step("CUDA", made, [source], [*command, "-c", source, "-o", made], f"{made}.d")


def named_library(name: str, folder: Path) -> Step:
    """Makes an empty library of a name of torch, which the linker notes; at run time torch's own is there."""
    made = str(folder / f"lib{name}.so")
    command = [*cxx(), "-shared", "-nostdlib", "-x", "c++", os.devnull, f"-Wl,-soname,lib{name}.so", "-o", made]
    return Step("name", made, [], command)


def build_steps(made: Path, folder: Path, toolkit: Path | None) -> list[Step]:
    """Returns the steps that make the library, with CUDA kernels where there is a toolkit; the last one links."""
    targets = ",".join(f"sm_{arch}" for arch in CUDA_ARCHITECTURES) if toolkit else ""
    steps = [compiled(source, folder, targets) for source in (CPP_SOURCES if toolkit else SOURCES)]
    libraries: list[str] = []
    if toolkit:
        steps += [compiled_cuda(source, folder, toolkit) for source in CUDA_SOURCES]
        libraries = [f"-L{toolkit / 'lib64'}", *map("-l{}".format, ("cudart_static", "culibos", "dl", "rt", "pthread"))]
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
        writer = syntax.Writer(file)
        writer.variable("builddir", syntax.escape_path(str(folder)))
        writer.rule("compile", "$run", description="$kind $in", depfile="$depfile", deps="gcc")
        writer.rule("make", "$run", description="$kind $out")
        for step in steps:
            variables = {"run": syntax.escape(shlex.join(step.command)), "kind": step.kind, "depfile": step.depfile}
            rule = "compile" if step.depfile else "make"
            writer.build(step.output, rule, list(step.inputs), variables={k: v for k, v in variables.items() if v})
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
        raise RuntimeError(
            next((line for line in lines if re.search(r"\berror *:", line)), lines[-1] if lines else command[0])
        )


def compiler_missing() -> str | None:
    wanted = os.environ.get("CXX", "").split() or ["c++", "g++", "clang++"]
    if any(shutil.which(name) for name in ([wanted[0]] if "CXX" in os.environ else wanted)):
        return None
    return f"no C++ compiler was found (looked for {', '.join(wanted)})"


def cuda_toolkit() -> Path | str:
    """Returns the root of the CUDA toolkit, or why the CUDA kernels are not built."""
    wanted = os.environ.get("SPECOPS_CUDA", "0")
    if wanted not in ("0", "1", "auto"):
        raise SystemExit(f"SPECOPS_CUDA must be 0, 1 or auto; got {wanted!r}")
    if wanted == "0":
        return "SPECOPS_CUDA=auto was not set"
    if os.environ.get("SPECOPS_SANITIZE"):
        return "the build for the sanitizers has no CUDA kernels"
    home, nvcc = os.environ.get("CUDA_HOME"), shutil.which("nvcc")
    candidates = [Path(home)] if home else [Path("/usr/local/cuda")]
    if nvcc and not home:  # it may be a script that calls the toolkit's own
        candidates.insert(0, Path(nvcc).resolve().parents[1])
    for root in candidates:
        if (root / "bin" / "nvcc").exists() and (root / "lib64" / "libcudart_static.a").exists():
            return root
    reason = f"no CUDA toolkit was found (no bin/nvcc and lib64/libcudart_static.a in {candidates[-1]})"
    if wanted == "1":
        raise SystemExit(f"SPECOPS_CUDA=1, but {reason}")
    return reason


class BuildNative(build_ext):
    """Builds the library, or notes why it could not."""

    def run(self) -> None:
        self.in_source = bool(self.inplace or getattr(self, "editable_mode", False))  # a failing build resets inplace
        reason = compiler_missing()
        if reason is None:
            try:
                super().run()
            except (Exception, SystemExit) as error:
                first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
                reason = f"compiling the extension failed: {first_line}"
        self._note(reason)

    def get_ext_filename(self, fullname: str) -> str:
        return fullname.replace(".", os.sep) + ".so"  # of no version of Python

    def build_extension(self, ext: Extension) -> None:
        """With the CUDA kernels where there is a toolkit; without them, notes why."""
        toolkit = cuda_toolkit()
        reason = toolkit if isinstance(toolkit, str) else None
        if isinstance(toolkit, Path):
            try:
                self._make(ext, toolkit)
            except RuntimeError as error:
                if os.environ.get("SPECOPS_CUDA") == "1":
                    raise
                reason = f"nvcc cannot compile the kernels: {error}"
                print(f"specops: without CUDA kernels, {reason}", file=sys.stderr)
        if reason is not None:
            self._make(ext, None)
        self._write_note(CUDA_NOTE, reason)

    def _make(self, ext: Extension, toolkit: Path | None) -> None:
        made, folder = Path(self.get_ext_fullpath(ext.name)), Path(self.build_temp)
        for path in (made.parent, folder):
            path.mkdir(parents=True, exist_ok=True)
        steps = build_steps(made, folder, toolkit)
        try:
            run_with_ninja(steps, folder)
        except ImportError:
            run_all(steps)

    def get_outputs(self) -> list[str]:
        return [path for path in super().get_outputs() if Path(path).exists()]

    def _note(self, reason: str | None) -> None:
        self._write_note(NOTE, reason)
        if reason is None:
            return
        for stale in self._package().glob("_native*.so"):
            stale.unlink()
        print(f"specops: pure-torch install, {reason}", file=sys.stderr)

    def _package(self) -> Path:
        return (ROOT if self.in_source else Path(self.build_lib)) / "specops"

    def _write_note(self, name: str, reason: str | None) -> None:
        note = self._package() / name
        note.unlink(missing_ok=True)
        if reason is not None:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(reason + "\n")


class BuildCore(Command):
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


class Wheel(bdist_wheel):
    """A wheel for any Python, and with the library for one platform."""

    def get_tag(self) -> tuple[str, str, str]:
        tag: tuple[str, str, str] = super().get_tag()
        return ("py3", "none", tag[2])


if __name__ == "__main__":
    native = os.environ.get("SPECOPS_BUILD", "1") != "0"
    if not native:
        (ROOT / "specops" / NOTE).write_text("SPECOPS_BUILD=0 was set when the package was built\n")
    library = [Extension("specops._native", SOURCES)] if native else []
    setup(ext_modules=library, cmdclass={"build_ext": BuildNative, "build_core": BuildCore, "bdist_wheel": Wheel})
