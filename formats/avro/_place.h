/* A place in each record, from one boundary to another: its bytes, and its raw values (`values.py`). */
#ifndef INSTAR_AVRO_PLACE
#define INSTAR_AVRO_PLACE

#include "_arguments.h"
#include "_numbers.h"

enum form { PLAIN, NULLABLE, BRANCHED };

/* A place of each record: from the boundary in column `from` of the offsets to that in column `to`. */
typedef struct {
    Py_buffer data, offsets;
    int64_t width, from, to, form, null, rows;
} Place;

static int take_place(Place *place) {
    place->rows = place->width > 0 ? place->offsets.len / 4 / place->width : 0;
    if (place->from < 0 || place->from >= place->width || place->to < 0 || place->to >= place->width) {
        PyErr_SetString(PyExc_ValueError, "no such place");
        return 0;
    }
    return 1;
}

static void release(Place *place) {
    PyBuffer_Release(&place->data);
    PyBuffer_Release(&place->offsets);
}

/* The bytes of the place in one record; 0 where the offsets are wrong. */
static inline int bytes_at(const Place *place, int64_t row, const uint8_t **start, const uint8_t **stop) {
    const uint32_t *offsets = (const uint32_t *)place->offsets.buf + row * place->width;
    uint32_t from = offsets[place->from], to = offsets[place->to];
    if (from > to || to > place->data.len)
        return 0;
    *start = (const uint8_t *)place->data.buf + from;
    *stop = (const uint8_t *)place->data.buf + to;
    return 1;
}

/* Steps over the index of a nullable union: 1 before a value, 0 behind a null, -1 where that is odd. */
static inline int there(const Place *place, const uint8_t **p, const uint8_t *end) {
    if (place->form == PLAIN)
        return 1;
    if (*p >= end || **p & ~2)
        return -1;
    return *(*p)++ >> 1 != place->null;
}

/* The raw of a union of several branches: its index counts the branches but null. */
static PyObject *raw_of_union(const Place *place, const uint8_t *p, const uint8_t *end) {
    if (p >= end || *p & 0x81)
        return PyErr_Format(Odd, "a union's index is odd");
    int64_t index = *p >> 1;
    if (index == place->null)
        return Py_NewRef(Py_None);
    PyObject *raw = PyBytes_FromStringAndSize(NULL, end - p); /* not of p: bytes of one byte are shared, and must not be written */
    if (raw) {
        char *out = PyBytes_AsString(raw);
        memcpy(out, p, (size_t)(end - p));
        *out = (char)((place->null >= 0 && index > place->null ? index - 1 : index) << 1);
    }
    return raw;
}

static PyObject *raw_at(const Place *place, int64_t row) {
    const uint8_t *p, *end;
    if (!bytes_at(place, row, &p, &end))
        return PyErr_Format(PyExc_ValueError, "these offsets are not of these data");
    if (place->form == BRANCHED)
        return raw_of_union(place, p, end);
    int found = there(place, &p, end);
    if (found < 0)
        return PyErr_Format(Odd, "a union's index is odd");
    return found ? PyBytes_FromStringAndSize((const char *)p, end - p) : Py_NewRef(Py_None);
}

PyDoc_STRVAR(raws_doc, "raws(data, offsets, width, from, to, form, null, first, stop) -> list\n\n"
                       "The raw values (`values.py`) of a place in the records from `first` to before `stop`; None for null.");

static PyObject *raws(PyObject *self, PyObject *args) {
    Place place;
    int64_t first, stop;
    if (!PyArg_ParseTuple(args, "y*y*LLLLLLL", &place.data, &place.offsets, &place.width, &place.from, &place.to, &place.form,
                          &place.null, &first, &stop))
        return NULL;
    PyObject *list = NULL;
    if (take_place(&place)) {
        if (first < 0 || stop < first || stop > place.rows)
            PyErr_SetString(PyExc_ValueError, "no such records");
        else
            list = PyList_New((Py_ssize_t)(stop - first));
    }
    for (int64_t row = first; list && row < stop; row++) {
        PyObject *raw = raw_at(&place, row);
        if (raw)
            PyList_SetItem(list, (Py_ssize_t)(row - first), raw);
        else
            Py_CLEAR(list);
    }
    release(&place);
    return list;
}

#endif
