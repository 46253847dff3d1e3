#include "isa/engine.h"

#define SPECOPS_ISA baseline
#define SPECOPS_VECTOR_BYTES 16

#include "isa/table.h"

namespace specops::baseline {

static bool runs_here() { return true; }

extern const Engine engine;
constexpr Engine engine = engine_of("baseline", runs_here);

}  // namespace specops::baseline
