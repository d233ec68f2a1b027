/* The types of Arrow's arrays that values are decoded to and encoded from. */
#ifndef INSTAR_AVRO_TYPES
#define INSTAR_AVRO_TYPES

#include <stdint.h>

enum type { INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, BYTES };

static const int SIZES[] = {4, 8, 4, 8, 1}; /* bytes of a value; of BYTES each has its own */

#endif
