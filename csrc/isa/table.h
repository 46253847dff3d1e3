// The table of kernels of one instruction set.

template <class T>
static void part(const Image& x, int64_t height, int64_t width, T* planes) {
  if constexpr (sizeof(T) == 4) {
    if (x.type == Pixel::kHalf) return part_planes<HalfPixels>(x, height, width, planes);
    if (x.type == Pixel::kBfloat16) return part_planes<Bfloat16Pixels>(x, height, width, planes);
  }
  return part_planes<RealPixels<T>>(x, height, width, planes);
}

template <class T>
constexpr Kernels<T> kernels() {
  return {kLanes<T>,       power_plane<T>, cross_plane<T>,    expand_profile<T>,
          filter_plane<T>, swap_plane<T>,  sum_half_plane<T>, part<T>};
}
