#include "plan.h"

#include <cmath>

namespace specops::fft {
namespace {

struct Turn {
  long double cosine, sine;
};

// cos and sin of 2 pi k / n, evaluated in the first octant, where both are exact to the last place after rounding.
Turn turn(int64_t k, int64_t n) {
  constexpr long double kPi = 3.14159265358979323846264338327950288L;
  k %= n;
  if (8 * k > 4 * n) {
    const Turn t = turn(n - k, n);
    return {t.cosine, -t.sine};
  }
  if (8 * k > 2 * n) {  // 2 pi (k/n - 1/4) = 2 pi (4k - n) / 4n
    const Turn t = turn(4 * k - n, 4 * n);
    return {-t.sine, t.cosine};
  }
  if (8 * k > n) {
    const Turn t = turn(n - 4 * k, 4 * n);
    return {t.sine, t.cosine};
  }
  const long double angle = 2 * kPi * static_cast<long double>(k) / static_cast<long double>(n);
  return {std::cos(angle), std::sin(angle)};
}

bool is_compiled_radix(int64_t radix) { return radix <= 5 || radix == 8; }

std::vector<int64_t> radices(int64_t length) {
  std::vector<int64_t> result;
  int64_t twos = 0;
  for (; length % 2 == 0; length /= 2) ++twos;
  if (twos % 2 == 1) {
    result.push_back(twos >= 3 ? 8 : 2);
    twos -= twos >= 3 ? 3 : 1;
  }
  for (; twos > 0; twos -= 2) result.push_back(4);
  for (int64_t factor = 3; length > 1; factor += 2) {
    for (; length % factor == 0; length /= factor) result.insert(result.begin() + (result.empty() ? 0 : 1), factor);
  }
  if (result.empty() || !is_compiled_radix(result.front())) result.insert(result.begin(), 1);
  if (result.size() < 2 || !is_compiled_radix(result.back())) result.push_back(1);
  return result;
}

}  // namespace

bool serves(int64_t length) {
  if (length < 1 || length > kLongestLine) return false;
  while (length % 2 == 0) length /= 2;
  for (int64_t factor = 3; length > 1; factor += 2) {
    if (factor > kLargestFactor) return false;
    while (length % factor == 0) length /= factor;
  }
  return true;
}

template <class T>
void build_line_plan(int64_t length, LinePlan<T>& plan, std::vector<T>& tables) {
  const std::vector<int64_t> factors = radices(length);
  plan.length = static_cast<int32_t>(length);
  plan.n_passes = static_cast<int32_t>(factors.size());
  std::vector<size_t> starts;
  tables.clear();
  const auto append = [&](Turn t, long double sign) {
    tables.push_back(static_cast<T>(t.cosine));
    tables.push_back(static_cast<T>(sign * t.sine));
  };
  int64_t stride = 1;
  for (size_t i = 0; i < factors.size(); ++i) {
    const int64_t radix = factors[i], groups = length / (stride * radix);
    plan.passes[i] = {static_cast<int32_t>(radix), static_cast<int32_t>(groups), static_cast<int32_t>(stride), nullptr,
                      nullptr};
    starts.push_back(tables.size());
    for (int64_t p = 0; p < groups; ++p)
      for (int64_t j = 1; j < radix; ++j) append(turn(p * j, radix * groups), -1);
    starts.push_back(tables.size());
    for (int64_t j = 0; j < radix; ++j) append(turn(j, radix), 1);
    stride *= radix;
  }
  for (size_t i = 0; i < factors.size(); ++i) {
    plan.passes[i].twiddles = tables.data() + starts[2 * i];
    plan.passes[i].circle = tables.data() + starts[2 * i + 1];
  }
}

template void build_line_plan(int64_t, LinePlan<float>&, std::vector<float>&);
template void build_line_plan(int64_t, LinePlan<double>&, std::vector<double>&);

}  // namespace specops::fft
