"""Builds specops._native; where that is impossible, installs the pure-torch package and notes the reason.

SPECOPS_BUILD=0 skips the extension. SPECOPS_SANITIZE=address,undefined builds it for the sanitizers.
SPECOPS_CUDA=0 (the default) leaves the CUDA kernels out, 1 fails where they cannot be built, auto builds them where a
CUDA toolkit is found and notes the reason where it cannot; neither asks for a GPU.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
CPP_SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("csrc/**/*.cpp"))
SOURCES = [path for path in CPP_SOURCES if not path.endswith("_cuda.cpp")]
CUDA_SOURCES = sorted(ROOT.glob("csrc/**/*_cuda.cu"))
CUDA_ARCHITECTURES = (80, 90, 100)
NOTE = "_native_build.txt"
CUDA_NOTE = "_cuda_build.txt"

try:
    from torch.utils.cpp_extension import BuildExtension, CppExtension
except ImportError as error:
    missing: str | None = f"torch cannot be imported at build time ({error}); install it and use --no-build-isolation"
    base: Any = build_ext
else:
    missing = None
    base = BuildExtension


def extension() -> Extension:
    flags = ["-O3", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-Wall", "-g0"]
    link = ["-fopenmp"]
    sanitizers = os.environ.get("SPECOPS_SANITIZE")
    if sanitizers:
        flags += ["-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={sanitizers}"]
        link.append(f"-fsanitize={sanitizers}")
    if missing is not None:
        return Extension("specops._native", SOURCES)
    headers = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("csrc/**/*.h")]
    return CppExtension(
        "specops._native",
        SOURCES,
        include_dirs=[str(ROOT / "csrc")],
        depends=headers,
        extra_compile_args=flags,
        extra_link_args=link,
        py_limited_api=False,
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


def cuda_object(toolkit: Path, source: Path, folder: Path) -> str:
    """Compiles `source` for all architectures, unless that has been done, and returns the object file."""
    made = folder / f"{source.stem}.o"
    inputs = [source, Path(__file__), *ROOT.glob("csrc/**/*.h"), *ROOT.glob("csrc/**/*.cuh")]
    if made.exists() and made.stat().st_mtime > max(path.stat().st_mtime for path in inputs):
        return str(made)
    folder.mkdir(parents=True, exist_ok=True)
    newest = CUDA_ARCHITECTURES[-1]
    targets = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in CUDA_ARCHITECTURES]
    targets.append(f"-gencode=arch=compute_{newest},code=compute_{newest}")  # for GPUs to come
    command = [str(toolkit / "bin" / "nvcc"), "-c", "-std=c++17", "-O3", f"-I{ROOT / 'csrc'}", *targets, "--threads=2"]
    command += ["-Xptxas=-warn-spills,-Werror", "-Xcompiler=-fPIC,-fvisibility=hidden", str(source), "-o", str(made)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        made.unlink(missing_ok=True)
        raise RuntimeError(f"nvcc cannot compile {source.name}: {(finished.stderr or finished.stdout).strip()}")
    return str(made)


class BuildNative(base):  # type: ignore[misc]
    """Builds the extension, or notes why it could not."""

    def run(self) -> None:
        self.in_source = bool(self.inplace or getattr(self, "editable_mode", False))  # a failing build resets inplace
        reason = missing or compiler_missing()
        if reason is None:
            try:
                super().run()
            except (Exception, SystemExit) as error:
                first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
                reason = f"compiling the extension failed: {first_line}"
        self._note(reason)

    def build_extensions(self) -> None:
        """Adds the CUDA kernels where there is a toolkit; without them, notes why."""
        toolkit = cuda_toolkit()
        reason = toolkit if isinstance(toolkit, str) else self._add_cuda_kernels(toolkit)
        super().build_extensions()
        self._write_note(CUDA_NOTE, reason)

    def _add_cuda_kernels(self, toolkit: Path) -> str | None:
        """Returns why that is impossible, or None."""
        [extension] = self.extensions
        folder = Path(self.build_temp) / "cuda"
        try:
            extension.extra_objects += [cuda_object(toolkit, source, folder) for source in CUDA_SOURCES]
        except RuntimeError as error:
            if os.environ.get("SPECOPS_CUDA") == "1":
                raise
            print(f"specops: without CUDA kernels, {error}", file=sys.stderr)
            return str(error).splitlines()[0]
        extension.sources += [path for path in CPP_SOURCES if path.endswith("_cuda.cpp")]
        targets = ",".join(f"sm_{arch}" for arch in CUDA_ARCHITECTURES)
        extension.define_macros.append(("SPECOPS_CUDA_TARGETS", targets))
        extension.library_dirs.append(str(toolkit / "lib64"))
        extension.libraries += ["cudart_static", "culibos", "dl", "rt", "pthread"]
        return None

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


if __name__ == "__main__":
    native = os.environ.get("SPECOPS_BUILD", "1") != "0"
    if not native:
        (ROOT / "specops" / NOTE).write_text("SPECOPS_BUILD=0 was set when the package was built\n")
    setup(ext_modules=[extension()] if native else [], cmdclass={"build_ext": BuildNative} if native else {})
