"""Real images: the pictures of users and of installed packages, the toyset, and batches of them."""

from studies.core.data.loader import Loader
from studies.core.data.sources import open_source
from studies.core.errors import InputError

__all__ = ["InputError", "Loader", "open_source"]
