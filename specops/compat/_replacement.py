"""Modules that take the place of another package's under `sys.modules`."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType


class Replacement(ModuleType):
    """A module that, put into `sys.modules` under a dotted name, is found by every form of import of that name.

    `import a.b.c as d` loads a and reads the attributes a.b and a.b.c, which the imports of a.b and a.b.c have set.
    Where a.b.c is in `sys.modules` already, Python imports neither: it asks that module for its `__spec__`, to see
    whether it is still loading. A replacement takes this moment to import a.b and to set itself as its attribute c.

    Pickles and copies of a replacement are the module of its own name.
    """

    @property
    def __spec__(self) -> ModuleSpec | None:
        names = [name for name, module in sys.modules.copy().items() if module is self and name != self.__name__]
        for parent, _, child in (name.rpartition(".") for name in names if "." in name):
            # repr() and inspect read this too, and must not raise errors of another's package. An import statement that
            # needs the package imports it by itself, and fails.
            with contextlib.suppress(Exception):
                setattr(importlib.import_module(parent), child, self)
        return self.__dict__["__spec__"]

    @__spec__.setter
    def __spec__(self, spec: ModuleSpec | None) -> None:
        self.__dict__["__spec__"] = spec

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        return importlib.import_module, (self.__name__,)
