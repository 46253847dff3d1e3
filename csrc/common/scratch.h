#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace specops {

// Memory of this thread, 64-byte aligned, kept for later calls unless it is large.
class ThreadScratch {
 public:
  explicit ThreadScratch(size_t bytes) {
    if (bytes > kept().size) {
      kept().memory.reset();
      kept().size = 0;
      kept().memory.reset(static_cast<char*>(::operator new(bytes, kAlignment)));
      kept().size = bytes;
    }
  }

  ~ThreadScratch() {
    if (kept().size <= kMostKept) return;
    kept().memory.reset();
    kept().size = 0;
  }

  ThreadScratch(const ThreadScratch&) = delete;
  ThreadScratch& operator=(const ThreadScratch&) = delete;

  char* memory() const { return kept().memory.get(); }

 private:
  static constexpr size_t kMostKept = size_t{1} << 24;
  static constexpr std::align_val_t kAlignment{64};

  struct Delete {
    void operator()(char* memory) const { ::operator delete(memory, kAlignment); }
  };
  struct Kept {
    std::unique_ptr<char, Delete> memory;
    size_t size = 0;
  };
  static Kept& kept() {
    static thread_local Kept kept;
    return kept;
  }
};

}  // namespace specops
