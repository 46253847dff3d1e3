"""Builds specops._native; where that is impossible, installs the pure-torch package and notes the reason.

SPECOPS_BUILD=0 skips the extension. SPECOPS_SANITIZE=address,undefined builds it for the sanitizers.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("csrc/**/*.cpp"))
NOTE = "_native_build.txt"

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

    def get_outputs(self) -> list[str]:
        return [path for path in super().get_outputs() if Path(path).exists()]

    def _note(self, reason: str | None) -> None:
        package = (ROOT if self.in_source else Path(self.build_lib)) / "specops"
        note = package / NOTE
        note.unlink(missing_ok=True)
        if reason is None:
            return
        for stale in package.glob("_native*.so"):
            stale.unlink()
        package.mkdir(parents=True, exist_ok=True)
        note.write_text(reason + "\n")
        print(f"specops: pure-torch install, {reason}", file=sys.stderr)


native = os.environ.get("SPECOPS_BUILD", "1") != "0"
if not native:
    (ROOT / "specops" / NOTE).write_text("SPECOPS_BUILD=0 was set when the package was built\n")
setup(ext_modules=[extension()] if native else [], cmdclass={"build_ext": BuildNative} if native else {})
