#include "spectral/cpu/plans/plan_builder.h"

#include <algorithm>

#include "common/coefficient.h"

namespace specops::spectral {
namespace {

constexpr int64_t kSlotsPerBlock = 4096;  // values of a block: 16 KiB of float stay in the first level cache

template <class T>
struct Entry {
  int32_t block;
  int32_t slot;
  int32_t bin;
  T weight;
};

template <class T>
using Entries = std::vector<Entry<T>>;

// By block, bin and weight: counting sorts, then the weights inside each bin of a block.
template <class T>
Entries<T> sorted(const Entries<T>& entries, int64_t n_blocks, int64_t n_bins) {
  Entries<T> by_bin(entries.size()), result(entries.size());
  const auto pass = [](const Entries<T>& from, Entries<T>& to, int64_t n_keys, int32_t Entry<T>::* key) {
    std::vector<int64_t> starts(n_keys + 1, 0);
    for (const Entry<T>& entry : from) ++starts[entry.*key + 1];
    for (int64_t i = 0; i < n_keys; ++i) starts[i + 1] += starts[i];
    for (const Entry<T>& entry : from) to[starts[entry.*key]++] = entry;
  };
  pass(entries, by_bin, n_bins, &Entry<T>::bin);
  pass(by_bin, result, n_blocks, &Entry<T>::block);
  for (auto begin = result.begin(); begin != result.end();) {
    const auto other = [begin](const Entry<T>& entry) {
      return entry.bin != begin->bin || entry.block != begin->block;
    };
    const auto end = std::find_if(begin, result.end(), other);
    std::stable_sort(begin, end, [](const Entry<T>& a, const Entry<T>& b) { return a.weight < b.weight; });
    begin = end;
  }
  return result;
}

// Lengths of the runs of one block, bin and weight.
template <class T>
std::vector<int64_t> run_lengths(const Entries<T>& entries) {
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < entries.size(); ++i) {
    const bool goes_on = i > 0 && entries[i].bin == entries[i - 1].bin && entries[i].block == entries[i - 1].block &&
                         entries[i].weight == entries[i - 1].weight;
    if (!goes_on) lengths.push_back(0);
    ++lengths.back();
  }
  return lengths;
}

// A chunk costs about three slots beside its own.
int64_t best_chunk(const std::vector<int64_t>& lengths) {
  int64_t best = 1, best_cost = INT64_MAX;
  for (int64_t chunk : {1, 2, 4, 8}) {
    int64_t cost = 0;
    for (int64_t length : lengths) cost += (length + chunk - 1) / chunk * (chunk + 3);
    if (cost < best_cost) best = chunk, best_cost = cost;
  }
  return best;
}

// Whether the error of adding up the chunks of a bin one by one, 0.25 u sqrt(chunks), would show.
bool needs_long_sums(const std::vector<int32_t>& bins, int64_t n_bins) {
  constexpr int64_t kMostChunks = 64;
  std::vector<int64_t> counts(n_bins, 0);
  for (int32_t bin : bins) ++counts[bin];
  return *std::max_element(counts.begin(), counts.end()) > kMostChunks;
}

struct Chunk {
  int32_t block;
  int32_t turn;  // chunks of the same bin before it in the block
  int64_t first, length;
};

// In each block the first chunks of all bins, then the second ones and so on: an addition to a bin need not wait for
// the one before.
template <class T>
std::vector<Chunk> chunks_in_turn(const Entries<T>& entries, const std::vector<int64_t>& lengths, int64_t chunk) {
  std::vector<Chunk> chunks;
  int64_t begin = 0;
  for (int64_t length : lengths) {
    for (int64_t i = 0; i < length; i += chunk) {
      const Entry<T>& entry = entries[begin + i];
      const bool same =
          !chunks.empty() && chunks.back().block == entry.block && entries[chunks.back().first].bin == entry.bin;
      chunks.push_back({entry.block, same ? chunks.back().turn + 1 : 0, begin + i, std::min(chunk, length - i)});
    }
    begin += length;
  }
  std::stable_sort(chunks.begin(), chunks.end(), [](const Chunk& a, const Chunk& b) {
    return a.block != b.block ? a.block < b.block : a.turn < b.turn;
  });
  return chunks;
}

// Fills the lists of `storage`, whose n_bins, n_blocks and zero_slot are set.
template <class T>
void build_lists(const Entries<T>& unsorted, SumPlanStorage<T>& storage) {
  SumPlan<T>& sums = storage.sums;
  const Entries<T> entries = sorted(unsorted, sums.n_blocks, sums.n_bins);
  const std::vector<int64_t> lengths = run_lengths(entries);
  sums.chunk = best_chunk(lengths);
  storage.chunk_ends.assign(sums.n_blocks, 0);
  for (const Chunk& chunk : chunks_in_turn(entries, lengths, sums.chunk)) {
    storage.bins.push_back(entries[chunk.first].bin);
    storage.weights.push_back(entries[chunk.first].weight);
    for (int64_t i = 0; i < sums.chunk; ++i) {
      const int64_t slot = i < chunk.length ? entries[chunk.first + i].slot : sums.zero_slot;
      storage.slots.push_back(static_cast<uint16_t>(slot));
    }
    storage.chunk_ends[chunk.block] = static_cast<int64_t>(storage.bins.size());
  }
  for (int64_t i = 1; i < sums.n_blocks; ++i) {
    storage.chunk_ends[i] = std::max(storage.chunk_ends[i], storage.chunk_ends[i - 1]);
  }
  sums.long_sums = needs_long_sums(storage.bins, sums.n_bins);
  sums.chunk_ends = storage.chunk_ends.data();
  sums.bins = storage.bins.data();
  sums.weights = storage.weights.data();
  sums.slots = storage.slots.data();
}

template <class T>
Layout build_layout(const Maps<T>& maps, int64_t lanes) {
  Layout layout{};
  layout.height = maps.height;
  layout.width = maps.width;
  layout.lanes = lanes;
  layout.paired = maps.height % 2 == 0;
  layout.lines = (maps.height + 1) / 2;
  layout.groups = (layout.lines + lanes - 1) / lanes;
  layout.pitch = std::max(maps.width, lanes);
  return layout;
}

// Whether the maps have the same values at ky and -ky.
template <class T>
bool is_even(const Maps<T>& maps) {
  for (int64_t map = 0; map < maps.n_maps; ++map) {
    const Maps<T> only = maps.only(map);
    for (int64_t ky = 1; 2 * ky < maps.height; ++ky) {
      for (int64_t kx = 0; kx < maps.columns(); ++kx) {
        const int64_t a = only.at(ky, kx), b = only.at(maps.height - ky, kx);
        if (only.index[a] != only.index[b] || only.weight[a] != only.weight[b]) return false;
      }
    }
  }
  return true;
}

// Adds the entries of one map of a plane. Values are four times those of |X|^2, since the halving of paired signals is
// left out.
template <class T>
void add_plane_entries(const Maps<T>& maps, const Layout& layout, const SumPlan<T>& sums, Entries<T>& entries) {
  const int64_t H = maps.height, W = maps.width;
  const auto add = [&](int64_t ky, int64_t kx, int64_t line, int64_t column, T scale) {
    const int32_t bin = maps.index[maps.at(ky, kx)];
    if (bin < 0) return;
    const int64_t group = line / layout.lanes, block = group / sums.groups_per_block;
    const int64_t slot =
        ((group - block * sums.groups_per_block) * layout.pitch + column) * layout.lanes + line % layout.lanes;
    entries.push_back(
        {static_cast<int32_t>(block), static_cast<int32_t>(slot), bin, scale * maps.weight[maps.at(ky, kx)]});
  };
  for (int64_t ky = 0; ky < H; ++ky) {
    for (int64_t kx = 0; kx < maps.columns(); ++kx) {
      const bool alone = half_plane_multiplicity(kx, W) == 1;
      if (layout.paired && (ky == 0 || 2 * ky == H)) {
        const int32_t bin = maps.index[maps.at(ky, kx)];
        const auto slot = static_cast<int32_t>(sums.row_slots[ky == 0 ? 0 : 1] + kx);
        if (bin >= 0) entries.push_back({0, slot, bin, T(0.25) * maps.weight[maps.at(ky, kx)]});
      } else if (ky == 0) {  // this line was folded onto itself
        add(ky, kx, 0, kx, sums.folded && !alone ? T(0.125) : T(0.25));
      } else if (2 * ky < H) {
        add(ky, kx, ky, kx, sums.folded && alone ? T(0.5) : T(0.25));
      } else if (!sums.folded) {
        add(ky, kx, H - ky, (W - kx) % W, T(0.25));
      }
    }
  }
}

template <class T>
void build_sums(const Maps<T>& maps, const Layout& layout, bool even, SumPlanStorage<T>& storage) {
  SumPlan<T>& sums = storage.sums;
  sums.n_bins = maps.n_bins;
  sums.folded = even;
  const int64_t group_slots = layout.pitch * layout.lanes;
  sums.groups_per_block = std::min(layout.groups, std::max<int64_t>(1, kSlotsPerBlock / group_slots));
  sums.n_blocks = (layout.groups + sums.groups_per_block - 1) / sums.groups_per_block;
  const int64_t row = (maps.columns() + layout.lanes - 1) / layout.lanes * layout.lanes;
  sums.row_slots[0] = sums.groups_per_block * group_slots;
  sums.row_slots[1] = sums.row_slots[0] + row;
  sums.zero_slot = sums.row_slots[1] + row;
  Entries<T> entries;
  for (int64_t map = 0; map < maps.n_maps; ++map) add_plane_entries(maps.only(map), layout, sums, entries);
  build_lists(entries, storage);
}

// The gain is halved, like the transforms of paired signals.
template <class T>
void build_gains(const Maps<T>& maps, const Layout& layout, bool even, PlanePlanStorage<T>& storage) {
  GainPlan<T>& gains = storage.plan.gains;
  const int64_t H = maps.height, W = maps.width;
  gains.folded = even;
  gains.columns = even ? maps.columns() : W;
  gains.row_slots = layout.groups * gains.columns * layout.lanes;
  gains.n_slots = gains.row_slots + maps.columns();
  storage.gain_bins.assign(gains.n_slots, static_cast<int32_t>(maps.n_bins));
  storage.gain_weights.assign(gains.n_slots, T(0));
  const auto add = [&](int64_t slot, const Maps<T>& map, int64_t at, T share) {
    if (map.index[at] < 0) return;
    storage.gain_extras.push_back({static_cast<int32_t>(slot), map.index[at], share * map.weight[at]});
  };
  const auto set = [&](int64_t slot, int64_t ky, int64_t kx, bool is_mean) {
    const T share = (is_mean ? T(0.25) : T(0.5)) / T(half_plane_multiplicity(kx, W));
    const int64_t at = maps.at(ky, kx);
    storage.gain_bins[slot] = maps.index[at] < 0 ? static_cast<int32_t>(maps.n_bins) : maps.index[at];
    storage.gain_weights[slot] = share * maps.weight[at];
    for (int64_t map = 0; map < maps.n_maps; ++map) {
      if (map > 0) add(slot, maps.only(map), at, share);
      if (is_mean) add(slot, maps.only(map), maps.at(H - ky, kx), share);
    }
  };
  for (int64_t line = 0; line < layout.lines; ++line) {
    for (int64_t column = 0; column < gains.columns; ++column) {
      const int64_t slot = (line / layout.lanes * gains.columns + column) * layout.lanes + line % layout.lanes;
      const bool mirrored = 2 * column > W;
      const bool alone = half_plane_multiplicity(column, W) == 1;
      set(slot, mirrored && line > 0 ? H - line : line, mirrored ? W - column : column, alone && !even && line > 0);
    }
  }
  if (layout.paired) {
    for (int64_t kx = 0; kx < maps.columns(); ++kx) set(gains.row_slots + kx, H / 2, kx, false);
  }
  gains.bins = storage.gain_bins.data();
  gains.weights = storage.gain_weights.data();
  gains.extras = storage.gain_extras.data();
  gains.n_extras = static_cast<int64_t>(storage.gain_extras.size());
}

template <class T>
Scratch build_scratch(const PlanePlan<T>& plan) {
  const Layout& layout = plan.layout;
  Scratch scratch{};
  int64_t end = 0;
  const auto take = [&end](int64_t elements) {
    const int64_t at = end;
    end += (elements * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
    return at;
  };
  const int64_t line = 2 * layout.lanes * std::max(layout.height, layout.width);
  const int64_t padded = 2 * layout.lanes * std::max(plan.along_x.n_padded, plan.along_y.n_padded);
  const bool by_chirp = plan.along_x.chirp != nullptr || plan.along_y.chirp != nullptr;
  const int64_t lines = 2 * layout.lanes * layout.groups * layout.pitch;
  for (int64_t& at : scratch.buffers) at = take(padded);
  scratch.chirped = take(by_chirp ? padded : 0);
  scratch.held = take(line);
  for (int64_t& at : scratch.row_zero) at = take(2 * (layout.width + 1 + 2 * layout.lanes));
  scratch.tile = take(2 * layout.lanes * layout.height);
  scratch.values = take(plan.sums.zero_slot + 1);
  scratch.totals = take(plan.sums.long_sums ? 2 * plan.sums.n_bins : 0);
  scratch.lines[0] = take(lines);
  scratch.power_bytes = end;
  scratch.lines[1] = take(lines);
  scratch.cross_bytes = end;
  end = scratch.power_bytes;
  scratch.gains = take(plan.gains.n_slots);
  scratch.profile = take(plan.sums.n_bins + 1);
  scratch.other_tile = take(2 * layout.lanes * layout.height);
  scratch.filter_bytes = end;
  return scratch;
}

}  // namespace

template <class T>
std::unique_ptr<const PlanePlanStorage<T>> build_plane_plan(const Maps<T>& maps, int64_t lanes) {
  auto storage = std::make_unique<PlanePlanStorage<T>>();
  PlanePlan<T>& plan = storage->plan;
  plan.layout = build_layout(maps, lanes);
  fft::build_line_plan(maps.width, plan.along_x, storage->tables[0]);
  fft::build_line_plan(maps.height, plan.along_y, storage->tables[1]);
  const bool even = is_even(maps);
  build_sums(maps, plan.layout, even, storage->sums);
  plan.sums = storage->sums.sums;
  build_gains(maps, plan.layout, even, *storage);
  plan.scratch = build_scratch(plan);
  return storage;
}

template <class T>
std::unique_ptr<const SumPlanStorage<T>> build_half_plane_sums(const Maps<T>& maps) {
  auto storage = std::make_unique<SumPlanStorage<T>>();
  SumPlan<T>& sums = storage->sums;
  sums.n_bins = maps.n_bins;
  const int64_t n = maps.height * maps.columns();
  sums.groups_per_block = std::min(n, kSlotsPerBlock);
  sums.n_blocks = (n + sums.groups_per_block - 1) / sums.groups_per_block;
  sums.zero_slot = sums.groups_per_block;
  Entries<T> entries;
  for (int64_t i = 0; i < maps.size(); ++i) {
    const int64_t block = i % n / sums.groups_per_block, slot = i % n % sums.groups_per_block;
    if (maps.index[i] < 0) continue;
    entries.push_back({static_cast<int32_t>(block), static_cast<int32_t>(slot), maps.index[i], maps.weight[i]});
  }
  build_lists(entries, *storage);
  return storage;
}

template std::unique_ptr<const PlanePlanStorage<float>> build_plane_plan(const Maps<float>&, int64_t);
template std::unique_ptr<const PlanePlanStorage<double>> build_plane_plan(const Maps<double>&, int64_t);
template std::unique_ptr<const SumPlanStorage<float>> build_half_plane_sums(const Maps<float>&);
template std::unique_ptr<const SumPlanStorage<double>> build_half_plane_sums(const Maps<double>&);

}  // namespace specops::spectral
