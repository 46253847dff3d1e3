// Launchers that do nothing, whatever they are given, in the place of those of csrc/**/*_cuda.cu.
#define SPECOPS_IDLE(name) \
  int name() { return 0; }

extern "C" {

SPECOPS_IDLE(launch_binned_power)
SPECOPS_IDLE(launch_binned_cross_spectrum)
SPECOPS_IDLE(launch_binned_filter)
SPECOPS_IDLE(launch_binned_sloped_filter)
SPECOPS_IDLE(launch_clipped_filter)
SPECOPS_IDLE(launch_clipped_band_swap)
SPECOPS_IDLE(launch_around_fft_sums)
SPECOPS_IDLE(launch_around_fft_tile_sums)
SPECOPS_IDLE(launch_around_fft_gains)
SPECOPS_IDLE(launch_around_fft_hermitian)
SPECOPS_IDLE(launch_around_fft_clip)
SPECOPS_IDLE(launch_upfirdn2d)
SPECOPS_IDLE(launch_upfirdn2d_patches)
SPECOPS_IDLE(launch_upfirdn2d_filter_correlation)

}  // extern "C"
