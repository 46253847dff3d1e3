"""The functions of specops under the names and arguments of other packages."""

from specops.compat import stylegan

__all__ = ["stylegan"]
