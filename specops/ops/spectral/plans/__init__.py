"""What the spectral kernels of GPUs get beside the pixels, made once per map.

`bins`: where the coefficients of each bin are. `banks`: the schedule in which lanes read them. `gains`: of the
coefficients. `transform`: where the one-launch transform leaves them.
"""
