#pragma once

#include <memory>

#include "spectral/cpu/plans/plan_builder.h"

namespace specops::spectral {

// A plan for these maps, kept for later calls of this thread. Plans are looked up by the values of the maps, so they
// hold whatever happened to the tensors since; per thread, so that neither threads nor a fork need a lock.
// Throws std::out_of_range if an index is not in -1..n_bins-1.
template <class T>
std::shared_ptr<const PlanePlan<T>> cached_plane_plan(const Maps<T>& maps, int64_t lanes);

template <class T>
std::shared_ptr<const SumPlan<T>> cached_half_plane_sums(const Maps<T>& maps);

}  // namespace specops::spectral
