#pragma once

#include <stdint.h>
#include <string.h>

// Structs come from Python's dataclasses of the same names as the integers of their fields, nested ones in their
// places: specops/ops/cuda_launch.py.
namespace specops {

template <class Struct, class Integer = int64_t>
constexpr int64_t kFields = sizeof(Struct) / sizeof(Integer);

template <class Struct, class Integer = int64_t>
Struct from_integers(const int64_t* integers) {
  Integer fields[kFields<Struct, Integer>];
  for (int64_t i = 0; i < kFields<Struct, Integer>; ++i) fields[i] = static_cast<Integer>(integers[i]);
  Struct made;
  memcpy(&made, fields, sizeof made);
  return made;
}

}  // namespace specops
