#include "fft/plan.h"

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

int64_t largest_factor(int64_t n) {
  int64_t largest = 1;
  for (int64_t factor = 2; n > 1; ++factor) {
    for (; n % factor == 0; n /= factor) largest = factor;
  }
  return largest;
}

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

// The cheapest length >= 2n - 1 without odd factors above 5; a radix costs about its base 2 logarithm, odd ones more.
int64_t padded_length(int64_t n) {
  int64_t best = 0;
  double best_cost = 0;
  for (int64_t length = 2 * n - 1; length < 4 * n; ++length) {
    if (largest_factor(length) > 5) continue;
    double cost = 0;
    for (int64_t radix : radices(length)) cost += radix % 2 == 0 ? std::log2(radix) : 1.4 * std::log2(radix);
    cost *= static_cast<double>(length);
    if (best == 0 || cost < best_cost) best = length, best_cost = cost;
  }
  return best;
}

// Plain recursive transform of x[0], x[step], ..: runs once per plan.
std::vector<Turn> transform(const Turn* x, int64_t n, int64_t step) {
  if (n == 1) return {*x};
  const int64_t radix = largest_factor(n), m = n / radix;
  std::vector<std::vector<Turn>> parts;
  for (int64_t i = 0; i < radix; ++i) parts.push_back(transform(x + i * step, m, step * radix));
  std::vector<Turn> result(n, Turn{0, 0});
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < radix; ++i) {
      const Turn z = parts[i][k % m], t = turn(i * k, n);
      result[k].cosine += z.cosine * t.cosine + z.sine * t.sine;
      result[k].sine += z.sine * t.cosine - z.cosine * t.sine;
    }
  }
  return result;
}

// exp(i pi j^2 / n)
Turn chirp(int64_t j, int64_t n) { return turn(j * j, 2 * n); }

template <class T>
class Tables {
 public:
  explicit Tables(std::vector<T>& values) : values_(values) { values_.clear(); }

  void append(Turn t, long double sign) {
    values_.push_back(static_cast<T>(t.cosine));
    values_.push_back(static_cast<T>(sign * t.sine));
  }

 private:
  std::vector<T>& values_;
};

template <class T>
void append_chirp(int64_t length, int64_t padded, Tables<T>& tables) {
  for (int64_t j = 0; j < length; ++j) tables.append(chirp(j, length), -1);
  std::vector<Turn> kernel(padded, Turn{0, 0});
  for (int64_t j = 0; j < length; ++j) kernel[j] = kernel[(padded - j) % padded] = chirp(j, length);
  for (Turn& t : transform(kernel.data(), padded, 1)) {
    tables.append({t.cosine / static_cast<long double>(padded), t.sine / static_cast<long double>(padded)}, 1);
  }
}

}  // namespace

template <class T>
void build_line_plan(int64_t length, LinePlan<T>& plan, std::vector<T>& storage) {
  const bool by_chirp = largest_factor(length) > kLargestFactor;
  const int64_t padded = by_chirp ? padded_length(length) : length;
  const std::vector<int64_t> factors = radices(padded);
  plan.length = static_cast<int32_t>(length);
  plan.n_padded = static_cast<int32_t>(padded);
  plan.n_passes = static_cast<int32_t>(factors.size());
  Tables<T> tables(storage);
  if (by_chirp) append_chirp(length, padded, tables);
  std::vector<size_t> starts;
  int64_t stride = 1;
  for (size_t i = 0; i < factors.size(); ++i) {
    const int64_t radix = factors[i], groups = padded / (stride * radix);
    plan.passes[i] = {static_cast<int32_t>(radix), static_cast<int32_t>(groups), static_cast<int32_t>(stride), nullptr,
                      nullptr};
    starts.push_back(storage.size());
    for (int64_t p = 0; p < groups; ++p)
      for (int64_t j = 1; j < radix; ++j) tables.append(turn(p * j, radix * groups), -1);
    starts.push_back(storage.size());
    for (int64_t j = 0; j < radix; ++j) tables.append(turn(j, radix), 1);
    stride *= radix;
  }
  for (size_t i = 0; i < factors.size(); ++i) {
    plan.passes[i].twiddles = storage.data() + starts[2 * i];
    plan.passes[i].circle = storage.data() + starts[2 * i + 1];
  }
  plan.chirp = by_chirp ? storage.data() : nullptr;
  plan.kernel = by_chirp ? storage.data() + 2 * length : nullptr;
}

template void build_line_plan(int64_t, LinePlan<float>&, std::vector<float>&);
template void build_line_plan(int64_t, LinePlan<double>&, std::vector<double>&);

}  // namespace specops::fft
