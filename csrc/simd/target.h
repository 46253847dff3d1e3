#pragma once

#include <cstdint>

// The instruction set that the headers in namespace specops::SPECOPS_ISA are compiled for. A file of isa/ defines it,
// and includes all that is shared by instruction sets before them: the code of one is never linked into that of
// another. An editor that parses such a header alone sees the baseline.
#if !defined(SPECOPS_ISA)
#define SPECOPS_ISA baseline
#define SPECOPS_VECTOR_BYTES 16
#define SPECOPS_RUNS_HERE true
#endif
