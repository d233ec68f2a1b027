/* What a data page's references name: the runs of numbers that levels and references are (the Parquet project's Encodings.md, "RLE /
   Bit-Packing Hybrid"). Every read is checked against the end of the data, and every reference against the dictionary's length. */

#pragma once
#include "_thrift_read.h"

/* The sum of the numbers where `ranks` is NULL; else the least and the greatest of the ranks that they name, none yet where `high`
   is below 0. */
typedef struct {
    const uint32_t *ranks;
    uint64_t count; /* of ranks */
    uint64_t sum;
    int64_t low, high;
} Seen;

/* 0 where there is no such rank, or no such level of a column that is in nothing else. */
static int see(Seen *seen, uint64_t number, uint64_t times) {
    if (!seen->ranks) {
        seen->sum += number * times;
        return number <= 1;
    }
    if (number >= seen->count)
        return 0;
    int64_t rank = seen->ranks[number];
    if (rank < seen->low || seen->high < 0)
        seen->low = rank;
    if (rank > seen->high)
        seen->high = rank;
    return 1;
}

/* The number of `width` bits, 32 at most, that begins at a bit; `whole` says whether eight bytes may be read there. */
static inline uint64_t number_at(const uint8_t *data, uint64_t bit, int width, int whole) {
    const uint8_t *from = data + (bit >> 3);
    uint64_t held = 0;
    int after = (int)(bit & 7);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (whole)
        memcpy(&held, from, 8);
    else
#else
    (void)whole;
#endif
        for (int shift = 0; shift < after + width; shift += 8)
            held |= (uint64_t)*from++ << shift;
    return (held >> after) & ((1ULL << width) - 1);
}

/* As `see`, of so many numbers from a bit on: two nanoseconds each. */
static int see_many(const uint8_t *data, uint64_t bit, int width, uint64_t count, int whole, Seen *seen) {
    const uint32_t *ranks = seen->ranks;
    uint64_t ranked = seen->count;
    uint32_t low = UINT32_MAX, high = 0;
    for (; ranks && count; count--, bit += (uint64_t)width) {
        uint64_t number = number_at(data, bit, width, whole);
        if (number >= ranked)
            return 0;
        uint32_t rank = ranks[number];
        low = rank < low ? rank : low;
        high = rank > high ? rank : high;
    }
    for (; count; count--, bit += (uint64_t)width)
        seen->sum += number_at(data, bit, width, whole);
    if (low <= high && ranks) {
        seen->low = seen->high < 0 || low < seen->low ? low : seen->low;
        seen->high = high > seen->high ? high : seen->high;
    }
    return 1;
}

static int see_packed(Reader *reader, int width, uint64_t groups, uint64_t *left, Seen *seen) {
    if (groups > *left / 8 + 1) /* more than are needed; the product below stays small, too */
        return 0;
    const uint8_t *data = reader->data + reader->at;
    if (!take(reader, groups * (uint64_t)width))
        return 0;
    uint64_t count = groups * 8 < *left ? groups * 8 : *left;
    uint64_t rest = (uint64_t)(reader->size - reader->at); /* bytes after these numbers may be read, too, if not used */
    uint64_t wholly = !width ? 0 : rest >= 8 ? count : count > 64 ? count - 64 : 0; /* 64 numbers have eight bytes */
    *left -= count;
    return see_many(data, 0, width, wholly, 1, seen)
        && see_many(data, wholly * (uint64_t)width, width, count - wholly, 0, seen);
}

static int see_repeated(Reader *reader, int width, uint64_t times, uint64_t *left, Seen *seen) {
    uint64_t number = 0;
    uint8_t byte;
    for (int bits = 0; bits < width; bits += 8) {
        if (!read_byte(reader, &byte))
            return 0;
        number |= (uint64_t)byte << bits;
    }
    if (times > *left)
        return 0;
    *left -= times;
    return !times || see(seen, number, times);
}

/* So many numbers of so many bits, 32 at most. */
static int see_all(Reader *reader, int width, uint64_t left, Seen *seen) {
    uint64_t header;
    while (left) {
        if (!read_varint(reader, &header))
            return 0;
        uint64_t length = header >> 1;
        if (!(header & 1 ? see_packed : see_repeated)(reader, width, length, &left, seen))
            return 0;
    }
    return 1;
}

static int see_page(Reader *levels, int optional, Reader *data, uint64_t values, Seen *seen, uint64_t *there) {
    Seen defined = {NULL, 0, 0, 0, -1};
    uint8_t width;
    if (optional && !see_all(levels, 1, values, &defined))
        return 0;
    *there = optional ? defined.sum : values;
    if (!*there)
        return 1;
    return *there <= values && read_byte(data, &width) && width <= 32 && see_all(data, width, *there, seen);
}

PyDoc_STRVAR(referred_doc, "referred(levels, data, values, ranks) -> (nulls, least, greatest) or None\n\n"
    "Of a data page of so many values, nulls among them: the number of its nulls, and the least and the greatest of the `ranks`\n"
    "(four bytes each, of this machine's order) that its references name; -1 each where there are only nulls. `levels` are the\n"
    "definition levels of a top-level column, None where it holds no nulls. None where the page is odd.");

static PyObject *referred(PyObject *self, PyObject *args) {
    PyObject *given;
    Py_buffer data, ranks, levels = {0};
    unsigned long long values;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy*Ky*:referred", &given, &data, &values, &ranks))
        return NULL;
    PyObject *out = NULL;
    int optional = given != Py_None;
    if (!optional || PyObject_GetBuffer(given, &levels, PyBUF_SIMPLE) == 0) {
        Reader first = {levels.buf, 0, levels.len, 0}, second = {data.buf, 0, data.len, 0};
        Seen seen = {ranks.buf, (uint64_t)ranks.len / 4, 0, -1, -1};
        uint64_t there = 0;
        int good = (uintptr_t)ranks.buf % 4 == 0 && ranks.len && values <= INT32_MAX;
        Py_BEGIN_ALLOW_THREADS
        good = good && see_page(&first, optional, &second, values, &seen, &there);
        Py_END_ALLOW_THREADS
        if (good)
            out = Py_BuildValue("(LLL)", (long long)(values - there), (long long)seen.low, (long long)seen.high);
        else
            out = Py_NewRef(Py_None);
        if (optional)
            PyBuffer_Release(&levels);
    }
    PyBuffer_Release(&data);
    PyBuffer_Release(&ranks);
    return out;
}
