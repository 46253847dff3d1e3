"""Execution of GPU kernels on the CPU: compiled PTX, a Triton driver for it, and CUDA source on fibers."""
