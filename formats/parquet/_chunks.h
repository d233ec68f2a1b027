/* The column chunks of a row group where they are as all writers give them: what is asked of each, without an object for each of
   their fields. A table of 500 columns has 500 of them in every row group, and most are only copied.

   As elsewhere, what is odd in any way (a field that is not known here, a chunk of another column, a length that cannot be) is left to
   the Python that this stands for. Field numbers are parquet.thrift's. */

#pragma once
#include "_thrift_read.h"

#define CODECS 8
#define ENCODINGS 10
#define BYTE_ARRAY 6

/* What a chunk must be of. `path` is as it stands in the bytes. */
typedef struct {
    const char *path;
    Py_ssize_t path_size;
    long physical, repeated, levels;
} Leaf;

/* A chunk, as far as it is looked at: what `Outlines` has of each. Places that are not given are 0. */
typedef struct {
    int64_t codec, values, packed, size, data, index, dictionary;
    int64_t column_at, column_length, offset_at, offset_length;
    int filtered;
} Chunk;

/* The next field of a struct, each of which comes once: 1 there is one, 0 it ends, -1 it is odd. `seen` has a bit for each. */
static int next_field(Reader *reader, int64_t *number, uint8_t *wire, uint32_t *seen) {
    uint8_t byte;
    if (!read_byte(reader, &byte))
        return -1;
    if (!byte)
        return 0;
    *wire = byte & 15;
    *number += byte >> 4;
    if (byte < 0x10 || *number > 31 || *seen >> *number & 1)
        return -1;
    *seen |= (uint32_t)1 << *number;
    return 1;
}

static int all_seen(uint32_t seen, uint32_t needed) { return (seen & needed) == needed; }

/* A number of that wire type, which all have; `value` may be NULL. */
static int read_number(Reader *reader, uint8_t wire, uint8_t wanted, int64_t *value) {
    uint64_t number;
    if (wire != wanted || !read_varint(reader, &number))
        return 0;
    if (value)
        *value = unzigzag(number);
    return 1;
}

static int read_encodings(Reader *reader, uint8_t wire) {
    uint8_t kind;
    uint64_t count, number;
    if (wire != LIST || !read_header(reader, &kind, &count) || (count && kind != I32))
        return 0;
    while (count--)
        if (!read_varint(reader, &number) || (uint64_t)unzigzag(number) >= ENCODINGS)
            return 0;
    return 1;
}

static int read_path(Reader *reader, uint8_t wire, const Leaf *leaf) {
    Py_ssize_t start = reader->at;
    return wire == LIST && take(reader, (uint64_t)leaf->path_size) &&
           !memcmp(reader->data + start, leaf->path, (size_t)leaf->path_size);
}

/* A list of PageEncodingStats: three numbers each. */
static int read_page_encodings(Reader *reader, uint8_t wire) {
    uint8_t kind;
    uint64_t count;
    if (wire != LIST || !read_header(reader, &kind, &count) || (count && kind != STRUCT))
        return 0;
    while (count--) {
        int64_t number = 0;
        uint32_t seen = 0;
        int more;
        while ((more = next_field(reader, &number, &wire, &seen)) == 1)
            if (number < 1 || number > 3 || !read_number(reader, wire, I32, NULL))
                return 0;
        if (more || !all_seen(seen, 1 << 1 | 1 << 2 | 1 << 3))
            return 0;
    }
    return 1;
}

/* One of the histograms of SizeStatistics: a count for each level, or nothing at all. */
static int read_histogram(Reader *reader, uint8_t wire, long levels, int depth) {
    uint8_t kind;
    uint64_t count;
    Py_ssize_t start = reader->at;
    if (wire != LIST || !read_header(reader, &kind, &count) || kind != I64 || (count && count != (uint64_t)levels + 1))
        return 0;
    reader->at = start;
    return skip(reader, LIST, depth);
}

static int read_sizes(Reader *reader, uint8_t wire, const Leaf *leaf) {
    int64_t number = 0;
    uint32_t seen = 0;
    int more;
    if (wire != STRUCT)
        return 0;
    while ((more = next_field(reader, &number, &wire, &seen)) == 1)
        if (number == 1   ? leaf->physical != BYTE_ARRAY || !read_number(reader, wire, I64, NULL)
            : number == 2 ? !read_histogram(reader, wire, leaf->repeated, 3)
            : number == 3 ? !read_histogram(reader, wire, leaf->levels, 3)
                          : 1)
            return 0;
    return !more;
}

static int read_meta(Reader *reader, uint8_t wire, const Leaf *leaf, Chunk *chunk) {
    int64_t number = 0, physical = -1;
    uint32_t seen = 0;
    int more, good;
    if (wire != STRUCT)
        return 0;
    while ((more = next_field(reader, &number, &wire, &seen)) == 1) {
        switch (number) {
        case 1: good = read_number(reader, wire, I32, &physical); break;
        case 2: good = read_encodings(reader, wire); break;
        case 3: good = read_path(reader, wire, leaf); break;
        case 4: good = read_number(reader, wire, I32, &chunk->codec); break;
        case 5: good = read_number(reader, wire, I64, &chunk->values); break;
        case 6: good = read_number(reader, wire, I64, &chunk->size); break;
        case 7: good = read_number(reader, wire, I64, &chunk->packed); break;
        case 9: good = read_number(reader, wire, I64, &chunk->data); break;
        case 10: good = read_number(reader, wire, I64, &chunk->index); break;
        case 11: good = read_number(reader, wire, I64, &chunk->dictionary); break;
        case 12: good = wire == STRUCT && skip(reader, wire, 3); break;
        case 13: good = read_page_encodings(reader, wire); break;
        case 14: good = chunk->filtered = read_number(reader, wire, I64, NULL); break;
        case 15: good = read_number(reader, wire, I32, NULL); break;
        case 16: good = read_sizes(reader, wire, leaf); break;
        default: good = 0;
        }
        if (!good)
            return 0;
    }
    return !more && all_seen(seen, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 9) &&
           physical == leaf->physical && (uint64_t)chunk->codec < CODECS;
}

static int read_chunk(Reader *reader, const Leaf *leaf, Chunk *chunk) {
    int64_t number = 0;
    uint32_t seen = 0;
    uint8_t wire;
    int more, good;
    while ((more = next_field(reader, &number, &wire, &seen)) == 1) {
        switch (number) {
        case 2: good = read_number(reader, wire, I64, NULL); break;
        case 3: good = read_meta(reader, wire, leaf, chunk); break;
        case 4: good = read_number(reader, wire, I64, &chunk->offset_at) && chunk->offset_at > 0; break;
        case 5: good = read_number(reader, wire, I32, &chunk->offset_length); break;
        case 6: good = read_number(reader, wire, I64, &chunk->column_at) && chunk->column_at > 0; break;
        case 7: good = read_number(reader, wire, I32, &chunk->column_length); break;
        default: good = 0;
        }
        if (!good)
            return 0;
    }
    return !more && all_seen(seen, 1 << 2 | 1 << 3) && (seen >> 4 & 1) == (seen >> 5 & 1) && (seen >> 6 & 1) == (seen >> 7 & 1);
}

/* Where the pages begin; as `chunks.extent`. 0 where there is no first page between there and the chunk's end. */
static int first_page(const Chunk *chunk, int64_t *start) {
    const int64_t offsets[] = {chunk->data, chunk->index, chunk->dictionary};
    *start = 0;
    for (int i = 0; i < 3; i++)
        if (offsets[i] > 0 && (!*start || offsets[i] < *start))
            *start = offsets[i];
    if (chunk->packed < 0 || *start > INT64_MAX - chunk->packed)
        return 0;
    return chunk->packed ? *start <= chunk->data && chunk->data < *start + chunk->packed : !chunk->values;
}

/* ---- outlines */
#define LISTS 10

/* Puts what the next chunk is into each of the lists; 0 where it is odd, or with a Python error. */
static int outline(Reader *reader, PyObject *of, PyObject *lists, Py_ssize_t at) {
    Leaf leaf;
    Chunk chunk = {0};
    int64_t start;
    Py_ssize_t from = reader->at;
    if (!PyTuple_Check(of) ||
        !PyArg_ParseTuple(of, "y#lll", &leaf.path, &leaf.path_size, &leaf.physical, &leaf.repeated, &leaf.levels) ||
        !read_chunk(reader, &leaf, &chunk) || !first_page(&chunk, &start))
        return 0;
    const int64_t numbers[] = {chunk.codec,     start,
                               start + chunk.packed, chunk.size,
                               chunk.column_at, chunk.column_length,
                               chunk.offset_at, chunk.offset_length};
    for (Py_ssize_t i = 0; i < LISTS; i++) {
        PyObject *value = i < 8    ? PyLong_FromLongLong(numbers[i])
                          : i == 8 ? PyBool_FromLong(chunk.filtered)
                                   : PyBytes_FromStringAndSize((const char *)reader->data + from, reader->at - from);
        if (!value || PyList_SetItem(PyTuple_GetItem(lists, i), at, value) < 0)
            return 0;
    }
    return 1;
}

static PyObject *empty_lists(Py_ssize_t count) {
    PyObject *lists = PyTuple_New(LISTS);
    for (Py_ssize_t i = 0; lists && i < LISTS; i++) {
        PyObject *list = PyList_New(count);
        if (!list || PyTuple_SetItem(lists, i, list) < 0)
            Py_CLEAR(lists);
    }
    return lists;
}

PyDoc_STRVAR(outlines_doc, "outlines(chunks, leaves) -> ten lists or None\n\nSee outlines.Outlines; None where a chunk is odd.");

/* Of the bytes of a list of ColumnChunk, one for each of the leaves. */
static PyObject *outlines(PyObject *self, PyObject *args) {
    PyObject *bytes, *leaves;
    uint8_t kind;
    uint64_t count;
    (void)self;
    if (!PyArg_ParseTuple(args, "SO!:outlines", &bytes, &PyList_Type, &leaves))
        return NULL;
    Reader reader = {(const uint8_t *)PyBytes_AsString(bytes), 0, PyBytes_Size(bytes), 0};
    if (!read_header(&reader, &kind, &count) || kind != STRUCT || count != (uint64_t)PyList_Size(leaves))
        Py_RETURN_NONE;
    PyObject *lists = empty_lists((Py_ssize_t)count);
    int good = lists != NULL;
    for (Py_ssize_t i = 0; good && i < (Py_ssize_t)count; i++)
        good = outline(&reader, PyList_GetItem(leaves, i), lists, i);
    if (good && reader.at == reader.size)
        return lists;
    Py_XDECREF(lists);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}
