// Columns of a plane of real pixels to the lines ky = 0..H/2 of its half spectrum, and back. L neighbouring columns are
// transformed at once, one per lane, and L more of the same plane as their imaginary parts.

template <class T>
struct Workspace {
  const spectral::PlanePlan<T>& plan;
  Buffers<T> buffers;
  Complex<Vec<T>>* held;
  T* row_zero[2];
  T* tile;
  T* values;
  LongSum<T>* totals;
  Complex<Vec<T>>* lines[2];

  Workspace(const spectral::PlanePlan<T>& plan_, char* scratch) : plan(plan_) {
    const spectral::Scratch& at = plan.scratch;
    for (int i = 0; i < 2; ++i) {
      buffers.at[i] = reinterpret_cast<Complex<Vec<T>>*>(scratch + at.buffers[i]);
      row_zero[i] = reinterpret_cast<T*>(scratch + at.row_zero[i]);
      lines[i] = reinterpret_cast<Complex<Vec<T>>*>(scratch + at.lines[i]);
    }
    buffers.chirped = reinterpret_cast<Complex<Vec<T>>*>(scratch + at.chirped);
    held = reinterpret_cast<Complex<Vec<T>>*>(scratch + at.held);
    tile = reinterpret_cast<T*>(scratch + at.tile);
    values = reinterpret_cast<T*>(scratch + at.values);
    totals = reinterpret_cast<LongSum<T>*>(scratch + at.totals);
  }
};

template <class T>
struct RealColumns {
  const T* first;
  const T* second;
  long stride;
  long ahead;  // from `first` to what will be read next: a stride of rows hides it from the hardware
  SPECOPS_MEMBER Complex<Vec<T>> operator()(long y) const {
    __builtin_prefetch(first + y * stride + ahead);
    return {load(first + y * stride), load(second + y * stride)};
  }
};

// Takes the swapped result of an inverse transform.
template <class T>
struct ToRealColumns {
  T* first;
  T* second;
  long stride;
  SPECOPS_MEMBER void operator()(long y, Complex<Vec<T>> z) const {
    store(first + y * stride, z.im);
    store(second + y * stride, z.re);
  }
};

// The i-th pair of vectors of columns. The last vector overlaps its neighbour rather than cross the edge, and is its
// own partner where their number is odd: columns are then computed twice, never read or written outside of the plane.
template <class T>
SPECOPS_INLINE ColumnPair column_pair(long i, long width) {
  constexpr long L = kLanes<T>;
  if (width <= L) return {0, 0, width};
  const long first = 2 * i * L < width - L ? 2 * i * L : width - L;
  const long second = (2 * i + 1) * L < width - L ? (2 * i + 1) * L : width - L;
  return {first, second, L};
}

template <class T>
SPECOPS_INLINE long n_column_pairs(long width) {
  return (width + 2 * kLanes<T> - 1) / (2 * kLanes<T>);
}

template <class T>
SPECOPS_INLINE bool in_place(Pixel pixel, long column_stride, long width) {
  return pixel == (sizeof(T) == 4 ? Pixel::kFloat : Pixel::kDouble) && column_stride == 1 && width >= kLanes<T>;
}

// z [H]: transforms of a pair of columns -> their lines, lanes turned from columns to lines.
template <class T>
static void split_columns(const spectral::Layout& layout, const Complex<Vec<T>>* z, ColumnPair columns,
                          Complex<Vec<T>>* lines) {
  constexpr long L = kLanes<T>;
  const long H = layout.height, n_lines = layout.lines;
  for (long group = 0; group < layout.groups; ++group) {
    Vec<T> a_re[L], a_im[L], b_re[L], b_im[L];
    for (long lane = 0; lane < L; ++lane) {
      const long ky = group * L + lane < n_lines ? group * L + lane : n_lines - 1;
      const Complex<Vec<T>> here = z[ky], mirrored = z[ky == 0 ? 0 : H - ky];
      const Complex<Vec<T>> a = twice_first(here, mirrored), b = twice_second(here, mirrored);
      a_re[lane] = a.re, a_im[lane] = a.im, b_re[lane] = b.re, b_im[lane] = b.im;
    }
    if (group == 0 && layout.paired) {
      a_re[0] = z[0].re, a_im[0] = z[H / 2].re, b_re[0] = z[0].im, b_im[0] = z[H / 2].im;
    }
    transpose<T>(a_re), transpose<T>(a_im), transpose<T>(b_re), transpose<T>(b_im);
    Complex<Vec<T>>* to = lines + group * layout.pitch;
    for (long i = 0; i < L; ++i) to[columns.first + i] = {a_re[i], a_im[i]};
    for (long i = 0; i < L; ++i) to[columns.second + i] = {b_re[i], b_im[i]};
  }
}

// The way back, from swapped lines to swapped z.
template <class T>
static void join_columns(const spectral::Layout& layout, const Complex<Vec<T>>* lines, ColumnPair columns,
                         Complex<Vec<T>>* z) {
  constexpr long L = kLanes<T>;
  const long H = layout.height;
  for (long group = 0; group < layout.groups; ++group) {
    Vec<T> a_re[L], a_im[L], b_re[L], b_im[L];
    const Complex<Vec<T>>* from = lines + group * layout.pitch;
    for (long i = 0; i < L; ++i) {
      a_re[i] = from[columns.first + i].im, a_im[i] = from[columns.first + i].re;
      b_re[i] = from[columns.second + i].im, b_im[i] = from[columns.second + i].re;
    }
    transpose<T>(a_re), transpose<T>(a_im), transpose<T>(b_re), transpose<T>(b_im);
    const long in_group = layout.lines - group * L < L ? layout.lines - group * L : L;
    for (long lane = 0; lane < in_group; ++lane) {
      const Complex<Vec<T>> a = {a_re[lane], a_im[lane]}, b = {b_re[lane], b_im[lane]};
      const long ky = group * L + lane;
      z[ky] = swapped(joined(a, b));
      if (ky > 0) z[H - ky] = swapped(joined_mirrored(a, b));
    }
    if (group == 0) z[0] = {b_re[0], a_re[0]};
    if (group == 0 && layout.paired) z[H / 2] = {b_im[0], a_im[0]};
  }
}

template <class T>
static void transform_columns(Workspace<T>& work, const Image& image, Complex<Vec<T>>* lines) {
  constexpr long L = kLanes<T>;
  const spectral::Layout& layout = work.plan.layout;
  const bool direct = in_place<T>(image.type, image.column_stride, layout.width);
  Complex<Vec<T>>* z = free_buffer(work.plan.along_y, work.buffers);
  const long n_pairs = n_column_pairs<T>(layout.width);
  for (long i = 0; i < n_pairs; ++i) {
    const ColumnPair columns = column_pair<T>(i, layout.width);
    const T* pixels = static_cast<const T*>(image.pixels);
    const long ahead = i + 1 < n_pairs ? 2 * L : image.to_next - columns.first;
    RealColumns<T> source = {pixels + columns.first, pixels + columns.second, image.row_stride, ahead};
    if (!direct) {
      for_pixels<ReadTile, T>(image.type, image, long(layout.height), columns, work.tile);
      source = {work.tile, work.tile + L, 2 * L, 0};
    }
    transform(work.plan.along_y, work.buffers, source, ToBuffer<T>{z});
    split_columns<T>(layout, z, columns, lines);
  }
}

template <class T>
static void restore_columns(Workspace<T>& work, const Complex<Vec<T>>* lines, Pixel pixel, void* out) {
  constexpr long L = kLanes<T>;
  const spectral::Layout& layout = work.plan.layout;
  const bool direct = in_place<T>(pixel, 1, layout.width);
  for (long i = 0; i < n_column_pairs<T>(layout.width); ++i) {
    const ColumnPair columns = column_pair<T>(i, layout.width);
    T* pixels = static_cast<T*>(out);
    ToRealColumns<T> sink = {work.tile, work.tile + L, 2 * L};
    if (direct) sink = {pixels + columns.first, pixels + columns.second, layout.width};
    join_columns<T>(layout, lines, columns, work.held);
    transform(work.plan.along_y, work.buffers, FromBuffer<T>{work.held}, sink);
    if (!direct)
      for_pixels<WriteTile, T>(pixel, static_cast<const T*>(work.tile), long(layout.height), long(layout.width),
                               columns, out);
  }
}
