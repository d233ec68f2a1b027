/* Avro's numbers and lengths, read and written (Avro 1.12, "Binary Encoding"); every read is checked against the end. */
#ifndef INSTAR_AVRO_NUMBERS
#define INSTAR_AVRO_NUMBERS

#include <Python.h>
#include <stdint.h>
#include <string.h>

#if PY_BIG_ENDIAN
#error "Avro's floats are copied into Arrow's arrays as they are; where those have another order, Python does the work"
#endif

/* The long at p, which is left behind it; 0 if it is cut off or has more than 64 bits. */
static inline int read_long(const uint8_t **p, const uint8_t *end, int64_t *value) {
    uint64_t number = 0;
    for (int shift = 0; shift < 70 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        if (shift == 63 && byte > 1)
            return 0;
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
            return 1;
        }
    }
    return 0;
}

static inline int skip_text(const uint8_t **p, const uint8_t *end) {
    int64_t length;
    if (*p < end && **p < 0x80 && !(**p & 1)) /* as almost always: shorter than 64 bytes */
        length = *(*p)++ >> 1;
    else if (!read_long(p, end, &length) || length < 0)
        return 0;
    if (length > end - *p)
        return 0;
    *p += length;
    return 1;
}

static inline uint8_t *write_long(uint8_t *out, int64_t value) {
    uint64_t number = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    while (number > 0x7F) {
        *out++ = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    *out++ = (uint8_t)number;
    return out;
}

#endif
