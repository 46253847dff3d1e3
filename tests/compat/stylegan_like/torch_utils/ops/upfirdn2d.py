"""In the place of the module that `specops.compat.stylegan` replaces."""

raise RuntimeError("torch_utils.ops.upfirdn2d itself was imported")
