#include "spectral/cpu/plans/plan_cache.h"

#include <cstring>
#include <list>
#include <stdexcept>

namespace specops::spectral {
namespace {

constexpr size_t kMostPlans = 32;
constexpr int64_t kMostCoefficients = int64_t{1} << 21;  // of all plans of a thread; each costs about 30 bytes

template <class T, class Plan>
struct Entry {
  int64_t height, width, n_bins, n_maps;
  std::vector<int32_t> index;
  std::vector<T> weight;
  std::shared_ptr<const Plan> plan;

  bool fits(const Maps<T>& maps) const {
    return height == maps.height && width == maps.width && n_bins == maps.n_bins && n_maps == maps.n_maps &&
           std::memcmp(index.data(), maps.index, index.size() * sizeof(int32_t)) == 0 &&
           std::memcmp(weight.data(), maps.weight, weight.size() * sizeof(T)) == 0;
  }
};

template <class T>
void check_index(const Maps<T>& maps) {
  int32_t lowest = -1, highest = -1;
  for (int64_t i = 0; i < maps.size(); ++i) {
    lowest = maps.index[i] < lowest ? maps.index[i] : lowest;
    highest = maps.index[i] > highest ? maps.index[i] : highest;
  }
  if (lowest < -1 || highest >= maps.n_bins) throw std::out_of_range("index");
}

// The plans of this thread, the one used last in front.
template <class T, class Plan, class Build>
std::shared_ptr<const Plan> cached(const Maps<T>& maps, Build build) {
  static thread_local std::list<Entry<T, Plan>> entries;
  for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
    if (!entry->fits(maps)) continue;
    entries.splice(entries.begin(), entries, entry);
    return entries.front().plan;
  }
  check_index(maps);
  const int64_t n = maps.size();
  entries.push_front({maps.height,
                      maps.width,
                      maps.n_bins,
                      maps.n_maps,
                      {maps.index, maps.index + n},
                      {maps.weight, maps.weight + n},
                      build()});
  const std::shared_ptr<const Plan> plan = entries.front().plan;
  int64_t coefficients = 0;
  size_t kept = 0;
  for (auto entry = entries.begin(); entry != entries.end();) {
    coefficients += static_cast<int64_t>(entry->index.size()) + entry->n_bins;
    const bool keep = ++kept <= kMostPlans && (kept == 1 || coefficients <= kMostCoefficients);
    entry = keep ? std::next(entry) : entries.erase(entry);
  }
  return plan;
}

}  // namespace

template <class T>
std::shared_ptr<const PlanePlan<T>> cached_plane_plan(const Maps<T>& maps, int64_t lanes) {
  return cached<T, PlanePlan<T>>(maps, [&] {
    const std::shared_ptr<const PlanePlanStorage<T>> storage = build_plane_plan(maps, lanes);
    return std::shared_ptr<const PlanePlan<T>>(storage, &storage->plan);
  });
}

template <class T>
std::shared_ptr<const SumPlan<T>> cached_half_plane_sums(const Maps<T>& maps) {
  return cached<T, SumPlan<T>>(maps, [&] {
    const std::shared_ptr<const SumPlanStorage<T>> storage = build_half_plane_sums(maps);
    return std::shared_ptr<const SumPlan<T>>(storage, &storage->sums);
  });
}

template std::shared_ptr<const PlanePlan<float>> cached_plane_plan(const Maps<float>&, int64_t);
template std::shared_ptr<const PlanePlan<double>> cached_plane_plan(const Maps<double>&, int64_t);
template std::shared_ptr<const SumPlan<float>> cached_half_plane_sums(const Maps<float>&);
template std::shared_ptr<const SumPlan<double>> cached_half_plane_sums(const Maps<double>&);

}  // namespace specops::spectral
