/* Values as they stand in records: from Arrow's buffers, or from bytes one by one. */
#ifndef INSTAR_AVRO_ENCODE
#define INSTAR_AVRO_ENCODE

#include "_arguments.h"
#include "_numbers.h"
#include "_types.h"

/* Arrow's buffers of one column, and how its values are written. */
typedef struct {
    Py_buffer valid, values, texts;
    int64_t rows, skipped; /* `skipped` values stand in front of the first */
    int64_t null;          /* where null stands in the union; -1: no union */
    int type;
} Column;

static inline int bit(const Py_buffer *bits, int64_t i) { return ((const uint8_t *)bits->buf)[i >> 3] >> (i & 7) & 1; }

/* Are all buffers as long as they must be? */
static int valid_column(const Column *c) {
    if (c->rows < 0 || c->skipped < 0 || c->rows > INT32_MAX || c->skipped > INT32_MAX - c->rows)
        return 0;
    int64_t rows = c->rows + c->skipped, size = c->type == BYTES ? 4 * (rows + 1) : SIZES[c->type] * rows;
    if (c->type == BOOLEAN)
        size = (rows + 7) / 8;
    if (c->values.len < size || (c->valid.len && c->valid.len < (rows + 7) / 8))
        return 0;
    const int32_t *ends = c->values.buf;
    for (int64_t i = c->skipped; c->type == BYTES && i < rows; i++)
        if (ends[i] < 0 || ends[i + 1] < ends[i] || ends[i + 1] > c->texts.len)
            return 0;
    return 1;
}

static inline uint8_t *write_value(const Column *c, int64_t i, uint8_t *out) {
    const uint8_t *values = c->values.buf;
    switch (c->type) {
    case INT32:
        return write_long(out, ((const int32_t *)values)[i]);
    case INT64:
        return write_long(out, ((const int64_t *)values)[i]);
    case FLOAT32:
    case FLOAT64:
        memcpy(out, values + i * SIZES[c->type], (size_t)SIZES[c->type]);
        return out + SIZES[c->type];
    case BOOLEAN:
        *out++ = (uint8_t)bit(&c->values, i);
        return out;
    default: {
        const int32_t *ends = (const int32_t *)values;
        size_t length = (size_t)(ends[i + 1] - ends[i]);
        out = write_long(out, (int64_t)length);
        memcpy(out, (const uint8_t *)c->texts.buf + ends[i], length);
        return out + length;
    }
    }
}

/* Writes all values; the end of each goes to `ends`. How many bytes; -1 for a null where none may be. */
static int64_t write_column(const Column *c, uint8_t *out, uint32_t *ends) {
    uint8_t *p = out;
    for (int64_t row = 0; row < c->rows; row++) {
        int64_t i = row + c->skipped;
        if (c->valid.len && !bit(&c->valid, i)) {
            if (c->null < 0)
                return -1;
            *p++ = (uint8_t)(c->null << 1);
        } else {
            if (c->null >= 0)
                *p++ = (uint8_t)((1 - c->null) << 1);
            p = write_value(c, i, p);
        }
        ends[row] = (uint32_t)(p - out);
    }
    return p - out;
}

PyDoc_STRVAR(encoded_doc,
             "encoded(type, rows, skipped, null, validity, values, texts) -> (data, ends)\n\n"
             "Arrow's buffers (empty where there is none) as they stand in records: all values, and uint32s with the end of each;\n"
             "what is behind the last end counts for nothing. `skipped` values stand in front of the first. `null`: where null\n"
             "stands in the union, -1 where there is none. Raises Odd.");

static PyObject *encoded(PyObject *self, PyObject *args) {
    Column c;
    if (!PyArg_ParseTuple(args, "iLLLy*y*y*", &c.type, &c.rows, &c.skipped, &c.null, &c.valid, &c.values, &c.texts))
        return NULL;
    PyObject *data = NULL, *ends = NULL, *result = NULL;
    if (c.type < INT32 || c.type > BYTES || c.null < -1 || c.null > 1 || !valid_column(&c))
        PyErr_SetString(PyExc_ValueError, "no such column");
    else if (12 * c.rows > INT32_MAX)
        PyErr_SetString(Odd, "a block is too large");
    else {
        const int32_t *text_ends = c.values.buf;
        int64_t texts = c.type == BYTES && c.rows ? text_ends[c.skipped + c.rows] - text_ends[c.skipped] : 0;
        data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(12 * c.rows + texts)); /* an index, and 10 bytes or a length and a text */
        ends = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(4 * c.rows));
    }
    if (data && ends) {
        int64_t size = write_column(&c, (uint8_t *)PyBytes_AsString(data), (uint32_t *)PyBytes_AsString(ends));
        if (size < 0)
            PyErr_SetString(Odd, "a null where none may be");
        else
            result = Py_BuildValue("(OO)", data, ends);
    }
    Py_XDECREF(data);
    Py_XDECREF(ends);
    PyBuffer_Release(&c.valid);
    PyBuffer_Release(&c.values);
    PyBuffer_Release(&c.texts);
    return result;
}

PyDoc_STRVAR(joined_doc, "joined(list of bytes) -> (data, ends)\n\nAs `encoded`, of values that are bytes already.");

static PyObject *joined(PyObject *self, PyObject *list) {
    PyObject *data = NULL, *ends = NULL, *result = NULL;
    Py_ssize_t count = PyList_Size(list), total = 0, size;
    char *bytes;
    if (count < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++, total += size) {
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &bytes, &size) < 0)
            return NULL;
        if (size > UINT32_MAX - total) {
            PyErr_SetString(Odd, "the values are too large");
            return NULL;
        }
    }
    data = PyBytes_FromStringAndSize(NULL, total);
    ends = PyBytes_FromStringAndSize(NULL, 4 * count);
    if (data && ends) {
        char *out = PyBytes_AsString(data);
        uint32_t *end = (uint32_t *)PyBytes_AsString(ends);
        total = 0;
        for (Py_ssize_t i = 0; i < count; i++) {
            PyBytes_AsStringAndSize(PyList_GetItem(list, i), &bytes, &size);
            memcpy(out + total, bytes, (size_t)size);
            total += size;
            end[i] = (uint32_t)total;
        }
        result = Py_BuildValue("(OO)", data, ends);
    }
    Py_XDECREF(data);
    Py_XDECREF(ends);
    return result;
}

#endif
