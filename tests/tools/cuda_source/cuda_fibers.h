#pragma once

// A grid of CUDA threads on one CPU thread: each is a fiber, blocks run one after the other. A barrier is a switch to
// the scheduler, which resumes a block's threads forward, in reverse or in random order.
//
// Under ThreadSanitizer each CUDA thread is a thread of its own, ordered with others by barriers and launches alone: a
// missing barrier is reported as a race, with both lines. AddressSanitizer sees every buffer and shared array at its
// exact size.

#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <vector_types.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) (void)0
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) (void)0
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define SHIM_UNWATCHED __attribute__((no_sanitize("thread"), noinline))
#else
#define SHIM_UNWATCHED __attribute__((noinline))
#endif

namespace shim {

constexpr unsigned kWarp = 32;
constexpr size_t kStackBytes = size_t{256} << 10;
constexpr size_t kMostStaticShared = size_t{48} << 10;
constexpr size_t kMostShared = size_t{227} << 10;
constexpr size_t kRedzone = 64;  // between static arrays, where AddressSanitizer reports

enum class Order { kForward, kReverse, kRandom };

struct Settings {
  Order order = Order::kForward;
  unsigned seed = 0;
};

inline Settings& settings() {
  static Settings settings;
  return settings;
}

enum class State { kReady, kAtBarrier, kAtWarpBarrier, kDone };

struct Thread {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  uint3 index;
  unsigned rank;
  State state;
  int site;            // of the block barrier it waits at
  unsigned lane_mask;  // of the warp barrier it waits at
  uint64_t exchanged;  // what it offers to its warp
  // Barriers passed. Two tags take turns: with one alone, a fast thread's arrival at the next barrier would count as
  // an arrival at this one for a slow thread, and hide a race.
  unsigned block_barriers, warp_barriers;
  void* sanitizer = nullptr;
  void* fake_stack = nullptr;
};

struct StaticArray {
  const void* site;
  char* memory;
};

struct Block {
  dim3 threads_shape, grid_shape;
  uint3 index;
  std::vector<Thread> threads;
  Thread* running = nullptr;
  ucontext_t scheduler;
  std::function<void()> body;
  std::string failure;
  std::vector<std::unique_ptr<char[]>> kept;  // shared memory and stacks; under TSan never used again
  char *dynamic_shared = nullptr, *static_shared = nullptr;
  StaticArray static_arrays[32];
  size_t static_count = 0, static_bytes = 0;
  void* scheduler_sanitizer = nullptr;
  void* scheduler_fake_stack = nullptr;
  const void* scheduler_stack = nullptr;
  size_t scheduler_stack_bytes = 0;
  char start_tag = 0, end_tag = 0;
  char block_tags[2], warp_tags[2 * 1024 / kWarp];

  [[noreturn]] void fail(const std::string& what, const Thread& thread) const {
    throw std::runtime_error(what + ": block (" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " +
                             std::to_string(index.z) + ") thread " + std::to_string(thread.rank));
  }
};

inline Block*& current() {
  static Block* block = nullptr;
  return block;
}

#if defined(__SANITIZE_THREAD__)
inline void release(char* tag) { __tsan_release(tag); }
inline void acquire(char* tag) { __tsan_acquire(tag); }
#else
inline void release(char*) {}
inline void acquire(char*) {}
#endif

SHIM_UNWATCHED inline void back_to_scheduler([[maybe_unused]] bool for_good = false) {
  Block* block = current();
  Thread* self = block->running;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &self->fake_stack, block->scheduler_stack,
                                 block->scheduler_stack_bytes);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(block->scheduler_sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
  swapcontext(&self->context, &block->scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(self->fake_stack, nullptr, nullptr);
#endif
}

SHIM_UNWATCHED inline void thread_main() {
  Block* block = current();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &block->scheduler_stack, &block->scheduler_stack_bytes);
#endif
  acquire(&block->start_tag);
  try {
    block->body();
  } catch (const std::exception& error) {
    block->failure = error.what();
  }
  release(&block->end_tag);
  block->running->state = State::kDone;
  back_to_scheduler(true);
  std::abort();
}

SHIM_UNWATCHED inline void resume(Block& block, Thread& thread) {
  block.running = &thread;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&block.scheduler_fake_stack, thread.stack.get(), kStackBytes);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(thread.sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
  swapcontext(&block.scheduler, &thread.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(block.scheduler_fake_stack, nullptr, nullptr);
#endif
  if (!block.failure.empty()) throw std::runtime_error(block.failure);
}

inline unsigned warp_start(const Thread& thread) { return thread.rank / kWarp * kWarp; }

// Readies the lanes of a warp barrier once all of its mask wait at it.
SHIM_UNWATCHED inline void try_release_warp(Block& block, Thread& thread) {
  const unsigned first = warp_start(thread), lanes = std::min<size_t>(kWarp, block.threads.size() - first);
  for (unsigned lane = 0; lane < lanes; lane++) {
    if (!(thread.lane_mask >> lane & 1)) continue;
    const Thread& other = block.threads[first + lane];
    if (other.state == State::kDone || other.state == State::kAtBarrier) {
      block.fail("warp operation with a lane that has left", thread);
    }
    if (other.state != State::kAtWarpBarrier || other.lane_mask != thread.lane_mask) return;
  }
  for (unsigned lane = 0; lane < lanes; lane++) {
    if (thread.lane_mask >> lane & 1) block.threads[first + lane].state = State::kReady;
  }
}

// Readies all threads where all wait at one barrier. Hardware lets finished threads count as arrived; this does not.
SHIM_UNWATCHED inline bool try_release_block(Block& block) {
  size_t done = 0, waiting = 0;
  for (const Thread& thread : block.threads) {
    done += thread.state == State::kDone;
    waiting += thread.state == State::kAtBarrier;
  }
  if (!waiting || waiting + done < block.threads.size()) return false;
  if (done) block.fail("__syncthreads() that finished threads never reached", block.threads[0]);
  for (Thread& thread : block.threads) {
    if (thread.site != block.threads[0].site) block.fail("threads wait at different __syncthreads()", thread);
    thread.state = State::kReady;
  }
  return true;
}

SHIM_UNWATCHED inline void run_threads(Block& block, std::mt19937& random) {
  std::vector<unsigned> order(block.threads.size());
  for (unsigned i = 0; i < order.size(); i++) order[i] = i;
  if (settings().order == Order::kReverse) std::reverse(order.begin(), order.end());
  for (;;) {
    if (settings().order == Order::kRandom) std::shuffle(order.begin(), order.end(), random);
    bool ran = false;
    for (unsigned rank : order) {
      Thread& thread = block.threads[rank];
      if (thread.state == State::kAtWarpBarrier) try_release_warp(block, thread);
      if (thread.state != State::kReady) continue;
      resume(block, thread);
      ran = true;
    }
    const bool all_done = std::all_of(block.threads.begin(), block.threads.end(),
                                      [](const Thread& thread) { return thread.state == State::kDone; });
    if (all_done) return;
    if (!try_release_block(block) && !ran) block.fail("deadlock", block.threads[0]);
  }
}

// Bytes of their own, 16-byte aligned as by any new, and poisoned: a float read before it is written is NaN.
inline char* new_shared(Block& block, size_t bytes) {
  char* memory = new char[bytes];
  std::memset(memory, 0xFF, bytes);
  block.kept.emplace_back(memory);
  return memory;
}

SHIM_UNWATCHED inline void start_thread(Block& block, unsigned rank) {
  Thread& thread = block.threads[rank];
  const dim3 shape = block.threads_shape;
  if (thread.stack) block.kept.push_back(std::move(thread.stack));
  thread.stack.reset(new char[kStackBytes]);
  getcontext(&thread.context);
  thread.context.uc_stack.ss_sp = thread.stack.get();
  thread.context.uc_stack.ss_size = kStackBytes;
  thread.context.uc_link = nullptr;
  thread.rank = rank;
  thread.index = uint3{rank % shape.x, rank / shape.x % shape.y, rank / shape.x / shape.y};
  thread.state = State::kReady;
  thread.block_barriers = thread.warp_barriers = 0;
  makecontext(&thread.context, thread_main, 0);
#if defined(__SANITIZE_THREAD__)
  thread.sanitizer = __tsan_create_fiber(0);
#endif
}

SHIM_UNWATCHED inline void run_block(Block& block, size_t dynamic_bytes, std::mt19937& random) {
#if !defined(__SANITIZE_THREAD__)  // which would take one block's use of the same memory as a race with another's
  block.kept.clear();
#endif
  block.static_count = block.static_bytes = 0;
  block.static_shared = new_shared(block, kMostStaticShared);
  ASAN_POISON_MEMORY_REGION(block.static_shared, kMostStaticShared);
  block.dynamic_shared = dynamic_bytes ? new_shared(block, dynamic_bytes) : nullptr;
  for (unsigned rank = 0; rank < block.threads.size(); rank++) start_thread(block, rank);
  run_threads(block, random);
#if defined(__SANITIZE_THREAD__)
  for (Thread& thread : block.threads) __tsan_destroy_fiber(thread.sanitizer);
#endif
}

SHIM_UNWATCHED inline void run_grid(dim3 grid, dim3 threads, size_t dynamic_bytes, std::function<void()> body) {
  const uint64_t count = uint64_t{threads.x} * threads.y * threads.z, blocks = uint64_t{grid.x} * grid.y * grid.z;
  if (!count || count > 1024 || threads.z > 64) throw std::runtime_error("a block must have 1 to 1024 threads");
  if (!blocks || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) throw std::runtime_error("grid too large");
  if (dynamic_bytes > kMostShared) throw std::runtime_error("more than 227 KiB of shared memory");
  Block block;
  block.threads_shape = threads;
  block.grid_shape = grid;
  block.body = std::move(body);
  block.threads.resize(count);
  current() = &block;
  std::mt19937 random(settings().seed);
#if defined(__SANITIZE_THREAD__)
  block.scheduler_sanitizer = __tsan_get_current_fiber();
#endif
  release(&block.start_tag);
  for (uint64_t i = 0; i < blocks; i++) {
    const uint64_t k = settings().order == Order::kReverse ? blocks - 1 - i : i;
    block.index = uint3{unsigned(k % grid.x), unsigned(k / grid.x % grid.y), unsigned(k / grid.x / grid.y)};
    run_block(block, dynamic_bytes, random);
  }
  acquire(&block.end_tag);
  current() = nullptr;
}

SHIM_UNWATCHED inline void wait_for_block(int site) {
  Block& block = *current();
  Thread& self = *block.running;
  char* tag = block.block_tags + (self.block_barriers++ & 1);
  release(tag);
  self.site = site;
  self.state = State::kAtBarrier;
  back_to_scheduler();
  acquire(tag);
}

// Without an order of memory accesses, which __syncwarp adds and a shuffle does not.
SHIM_UNWATCHED inline void wait_for_lanes(unsigned mask) {
  Block& block = *current();
  Thread& self = *block.running;
  if (!(mask >> (self.rank % kWarp) & 1)) block.fail("a lane that is not in its own mask", self);
  self.lane_mask = mask;
  self.state = State::kAtWarpBarrier;
  back_to_scheduler();
}

SHIM_UNWATCHED inline void wait_for_warp(unsigned mask) {
  Block& block = *current();
  Thread& self = *block.running;
  char* tag = block.warp_tags + 2 * (self.rank / kWarp) + (self.warp_barriers++ & 1);
  release(tag);
  wait_for_lanes(mask);
  acquire(tag);
}

// The value that lane `source` offers; poison where it is not in the mask, which hardware leaves undefined.
template <class T>
SHIM_UNWATCHED T exchange(unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  Block& block = *current();
  Thread& self = *block.running;
  self.exchanged = 0;
  std::memcpy(&self.exchanged, &value, sizeof(T));
  wait_for_lanes(mask);
  const unsigned rank = warp_start(self) + source;
  const bool offered = rank < block.threads.size() && mask >> source & 1;
  const uint64_t bits = offered ? block.threads[rank].exchanged : ~uint64_t{0};
  wait_for_lanes(mask);
  T result;
  std::memcpy(&result, &bits, sizeof(T));
  return result;
}

// The lanes of the mask that offer true.
SHIM_UNWATCHED inline unsigned votes(unsigned mask, bool vote) {
  Block& block = *current();
  Thread& self = *block.running;
  self.exchanged = vote;
  wait_for_lanes(mask);
  unsigned found = 0;
  for (unsigned lane = 0; lane < kWarp && warp_start(self) + lane < block.threads.size(); lane++) {
    found |= unsigned(mask >> lane & block.threads[warp_start(self) + lane].exchanged) << lane;
  }
  wait_for_lanes(mask);
  return found;
}

// The block's static array that is declared at `site`.
template <class T>
SHIM_UNWATCHED T* static_shared(const void* site, size_t count) {
  Block& block = *current();
  for (size_t i = 0; i < block.static_count; i++) {
    if (block.static_arrays[i].site == site) return reinterpret_cast<T*>(block.static_arrays[i].memory);
  }
  const size_t bytes = count * sizeof(T), end = block.static_bytes + bytes;
  if (end > kMostStaticShared || block.static_count == std::size(block.static_arrays)) {
    block.fail("more than 48 KiB of static shared memory", *block.running);
  }
  char* memory = block.static_shared + block.static_bytes;
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  block.static_bytes = (end + kRedzone + 15) / 16 * 16;
  block.static_arrays[block.static_count++] = {site, memory};
  return reinterpret_cast<T*>(memory);
}

}  // namespace shim
