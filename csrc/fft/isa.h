// Included once per instruction set, inside namespace specops::<name>, after the target pragma and after std headers.

#include "vec.h"
#include "butterfly.h"
#include "stockham.h"
#include "pixels.h"
#include "sums.h"
#include "columns.h"
#include "kernels.h"
#include "swap.h"
#include "../resample/vectors.h"
#include "../resample/rows.h"
#include "../resample/correlation.h"
#include "table.h"
