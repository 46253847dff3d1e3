"""Wrong use: calls, the error that each raises, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

Wrong = tuple[Callable[[], object], type[Exception], str]


def each_wrong_use(cases: Iterable[Wrong]) -> Any:
    """Parametrizes a test by (call, error, message); its ids are the messages, which are regular expressions."""
    ids = [message.replace("\\", "").replace(".*", "...") for _, _, message in cases]
    return pytest.mark.parametrize(("call", "error", "message"), cases, ids=ids)
