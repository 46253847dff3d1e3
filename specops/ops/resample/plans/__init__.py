"""How the GPU kernels of resampling divide their work, made once per set of arguments.

`axes`: the operator along an axis, its terms and the folds of its transpose. `tilings`: tiles in shared memory
and strips in registers. `launches`: the structs that a CUDA kernel gets.
"""
