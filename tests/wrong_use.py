"""Wrong use: calls, the error that each raises, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

Call = Callable[[], object]
Wrong = tuple[Call, type[Exception], str] | tuple[str, Call, type[Exception], str]  # a name first, or its message is it


def refused(cases: Iterable[Wrong]) -> Callable[..., None]:
    """Returns a test that each call raises its error with its message, a regular expression."""
    names = [case[0] if isinstance(case[0], str) else case[-1].replace("\\", "").replace(".*", "...") for case in cases]

    @pytest.mark.parametrize(("call", "error", "message"), [case[-3:] for case in cases], ids=names)
    def test(call: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            call()

    return test
