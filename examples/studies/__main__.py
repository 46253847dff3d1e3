"""`python examples/studies COMMAND`: see `studies.commands`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # run as a folder, Python looks for modules in it, not beside it

from studies.commands import main  # noqa: E402

sys.exit(main())
