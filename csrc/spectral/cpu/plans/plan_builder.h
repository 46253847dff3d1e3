#pragma once

#include <memory>
#include <vector>

#include "spectral/cpu/plans/plane_plan.h"

namespace specops::spectral {

// Maps [M, H, W/2+1] of an op, whose sums or gains are added; every index is -1 or below n_bins.
template <class T>
struct Maps {
  const int32_t* index;
  const T* weight;
  int64_t height, width, n_bins, n_maps;

  int64_t columns() const { return width / 2 + 1; }
  int64_t at(int64_t ky, int64_t kx) const { return ky * columns() + kx; }
  int64_t size() const { return n_maps * height * columns(); }
  Maps only(int64_t map) const {
    const int64_t begin = map * height * columns();
    return {index + begin, weight + begin, height, width, n_bins, 1};
  }
};

// Owns what its `sums` points to.
template <class T>
struct SumPlanStorage {
  SumPlan<T> sums{};
  std::vector<int64_t> chunk_ends;
  std::vector<int32_t> bins;
  std::vector<T> weights;
  std::vector<uint16_t> slots;
};

template <class T>
struct PlanePlanStorage {
  PlanePlan<T> plan{};
  SumPlanStorage<T> sums;
  std::vector<T> tables[2];
  std::vector<int32_t> gain_bins;
  std::vector<T> gain_weights;
  std::vector<typename GainPlan<T>::Extra> gain_extras;
};

// The plan of a size that the engine serves, for vectors of `lanes` elements.
template <class T>
std::unique_ptr<const PlanePlanStorage<T>> build_plane_plan(const Maps<T>& maps, int64_t lanes);

// The sums over a half plane [H, W/2+1] in memory: value i is at slot i % n of block i / n, n = groups_per_block.
template <class T>
std::unique_ptr<const SumPlanStorage<T>> build_half_plane_sums(const Maps<T>& maps);

}  // namespace specops::spectral
