"""What the spectral kernels of GPUs get beside the pixels, made once per map.

`bins`: where the coefficients of each bin are. `lane_turns`: in which turn a lane reads which of them. `gains`: of the
coefficients. `transform`: where the one-launch transform leaves them.
"""
