/* The values of a place in all records as Arrow's buffers. */
#ifndef INSTAR_AVRO_DECODE
#define INSTAR_AVRO_DECODE

#include "_place.h"
#include "_types.h"

/* Decodes one value to `out`, the type's own form; 0 where it is odd. */
static inline int decode(int type, const uint8_t *p, const uint8_t *end, void *out) {
    int64_t number;
    switch (type) {
    case INT32:
        if (!read_long(&p, end, &number) || number < INT32_MIN || number > INT32_MAX)
            return 0;
        *(int32_t *)out = (int32_t)number;
        return p == end;
    case INT64:
        if (!read_long(&p, end, &number))
            return 0;
        *(int64_t *)out = number;
        return p == end;
    case FLOAT32:
    case FLOAT64:
        if (end - p != (type == FLOAT32 ? 4 : 8))
            return 0;
        memcpy(out, p, (size_t)(end - p));
        return 1;
    default: /* BOOLEAN */
        if (end - p != 1 || *p > 1)
            return 0;
        *(uint8_t *)out = *p;
        return 1;
    }
}

/* Decodes the place in all records; `valid` gets a bit each, `out` the values. The number of nulls, or -1 where a value is odd. */
static int64_t decode_all(const Place *place, int type, uint8_t *valid, uint8_t *out) {
    int64_t nulls = 0;
    const uint8_t *p, *end;
    for (int64_t row = 0; row < place->rows; row++) {
        if (!bytes_at(place, row, &p, &end))
            return -1;
        int found = there(place, &p, end);
        if (found < 0 || (found && !decode(type, p, end, out + row * SIZES[type])))
            return -1;
        valid[row >> 3] |= (uint8_t)(found << (row & 7));
        nulls += !found;
    }
    return nulls;
}

/* As decode_all, for texts: `ends` gets the end of each in `out`. */
static int64_t decode_texts(const Place *place, uint8_t *valid, int32_t *ends, uint8_t *out) {
    int64_t nulls = 0, filled = 0, length;
    const uint8_t *p, *end;
    ends[0] = 0;
    for (int64_t row = 0; row < place->rows; row++) {
        if (!bytes_at(place, row, &p, &end))
            return -1;
        int found = there(place, &p, end);
        if (found < 0 || (found && (!read_long(&p, end, &length) || length != end - p || length > INT32_MAX - filled)))
            return -1;
        if (found) {
            memcpy(out + filled, p, (size_t)length);
            filled += length;
        }
        valid[row >> 3] |= (uint8_t)(found << (row & 7));
        nulls += !found;
        ends[row + 1] = (int32_t)filled;
    }
    return nulls;
}

/* How many bytes the place has in all records. */
static int64_t bytes_of(const Place *place) {
    int64_t total = 0;
    const uint8_t *p, *end;
    for (int64_t row = 0; row < place->rows && bytes_at(place, row, &p, &end); row++)
        total += end - p;
    return total;
}

static PyObject *zeros(int64_t size) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes)
        memset(PyBytes_AsString(bytes), 0, (size_t)size);
    return bytes;
}

PyDoc_STRVAR(column_doc, "column(data, offsets, width, from, to, form, null, type) -> (nulls, validity, values, texts)\n\n"
                         "The values of a place in all records as Arrow's buffers: `values` are the offsets of `texts` for BYTES,\n"
                         "one byte a value for BOOLEAN. Raises Odd for a value that is not of the type.");

static PyObject *column(PyObject *self, PyObject *args) {
    Place place;
    int type;
    int64_t nulls = -1;
    if (!PyArg_ParseTuple(args, "y*y*LLLLLi", &place.data, &place.offsets, &place.width, &place.from, &place.to, &place.form,
                          &place.null, &type))
        return NULL;
    PyObject *valid = NULL, *values = NULL, *texts = NULL, *result = NULL;
    if (type < INT32 || type > BYTES || place.form == BRANCHED)
        PyErr_SetString(PyExc_ValueError, "no such type");
    else if (take_place(&place) && (valid = zeros((place.rows + 7) / 8))) {
        values = zeros(type == BYTES ? 4 * (place.rows + 1) : SIZES[type] * place.rows);
        texts = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(type == BYTES ? bytes_of(&place) : 0));
    }
    if (values && texts) {
        uint8_t *bits = (uint8_t *)PyBytes_AsString(valid), *out = (uint8_t *)PyBytes_AsString(values);
        uint8_t *text = (uint8_t *)PyBytes_AsString(texts);
        Py_BEGIN_ALLOW_THREADS
        nulls = type == BYTES ? decode_texts(&place, bits, (int32_t *)out, text) : decode_all(&place, type, bits, out);
        Py_END_ALLOW_THREADS
        if (nulls < 0)
            PyErr_SetString(Odd, "a value is odd");
        else
            result = Py_BuildValue("LOOO", (long long)nulls, valid, values, texts);
    }
    Py_XDECREF(valid);
    Py_XDECREF(values);
    Py_XDECREF(texts);
    release(&place);
    return result;
}

#endif
