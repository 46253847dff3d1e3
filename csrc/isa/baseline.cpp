#define SPECOPS_ISA baseline
#define SPECOPS_VECTOR_BYTES 16
#define SPECOPS_RUNS_HERE true

#include "isa/table.h"
