/* Records put together from bytes of the old ones, bytes that are always the same, and computed ones. */
#ifndef INSTAR_AVRO_ASSEMBLE
#define INSTAR_AVRO_ASSEMBLE

#include <string.h>
#include "_arguments.h"

enum piece { COPIED, TURNED, CONSTANT, MADE };

/* Where a piece's bytes are in one record. */
typedef struct {
    int kind;
    int64_t from, to;       /* COPIED, TURNED: columns of the offsets */
    Py_buffer data, ends;   /* CONSTANT: the bytes; MADE: all values, and the end of each */
} Piece;

typedef struct {
    Py_buffer data, offsets;
    int64_t width, rows, piece_count;
    Piece *pieces;
} Assembly;

/* The bytes of a piece in one record; 0 where the arguments are wrong. */
static inline int piece_at(const Assembly *a, const Piece *piece, int64_t row, const uint8_t **start, int64_t *size) {
    uint32_t from = 0, to;
    const Py_buffer *data = &piece->data;
    if (piece->kind == CONSTANT) {
        *start = data->buf;
        *size = data->len;
        return 1;
    }
    if (piece->kind == MADE) {
        const uint32_t *ends = piece->ends.buf;
        from = row ? ends[row - 1] : 0;
        to = ends[row];
    } else {
        const uint32_t *offsets = (const uint32_t *)a->offsets.buf + row * a->width;
        data = &a->data;
        from = offsets[piece->from];
        to = offsets[piece->to];
    }
    *start = (const uint8_t *)data->buf + from;
    *size = (int64_t)to - from;
    return from <= to && to <= data->len && (piece->kind != TURNED || from < to);
}

/* How many bytes the records have; -1 where the arguments are wrong. */
static int64_t assembled_size(const Assembly *a, int64_t first, int64_t stop) {
    int64_t total = 0, size;
    const uint8_t *start;
    for (int64_t row = first; row < stop; row++)
        for (int64_t k = 0; k < a->piece_count; k++) {
            if (!piece_at(a, &a->pieces[k], row, &start, &size) || size > PY_SSIZE_T_MAX - total)
                return -1;
            total += size;
        }
    return total;
}

/* Writes the records; what is next to each other in the source is copied at once, from one record to the next as well. */
static void assemble_records(const Assembly *a, int64_t first, int64_t stop, uint8_t *out) {
    const uint8_t *start, *from = NULL; /* what is to be copied next, `waiting` bytes of it */
    int64_t size, waiting = 0;
    for (int64_t row = first; row < stop; row++)
        for (int64_t k = 0; k < a->piece_count; k++) {
            const Piece *piece = &a->pieces[k];
            piece_at(a, piece, row, &start, &size);
            if (piece->kind == COPIED && waiting && start == from + waiting) {
                waiting += size;
                continue;
            }
            if (waiting)
                memcpy(out, from, (size_t)waiting);
            out += waiting;
            from = start;
            waiting = size;
            if (piece->kind == TURNED) {
                memcpy(out, start, (size_t)size);
                *out ^= 2; /* the other branch of two */
                out += size;
                waiting = 0;
            }
        }
    if (waiting)
        memcpy(out, from, (size_t)waiting);
}

static void free_pieces(Assembly *a) {
    for (int64_t k = 0; a->pieces && k < a->piece_count; k++) {
        PyBuffer_Release(&a->pieces[k].data);
        PyBuffer_Release(&a->pieces[k].ends);
    }
    PyMem_Free(a->pieces);
}

/* One piece of (COPIED or TURNED, from, to), (CONSTANT, bytes) or (MADE, data, ends). */
static int take_piece(const Assembly *a, PyObject *tuple, Piece *piece) {
    PyObject *first = PyTuple_GetItem(tuple, 0);
    long kind = first ? PyLong_AsLong(first) : -1;
    if (PyErr_Occurred())
        return 0;
    piece->kind = (int)kind;
    if (kind == CONSTANT)
        return PyArg_ParseTuple(tuple, "iy*", &piece->kind, &piece->data);
    if (kind == MADE) {
        if (!PyArg_ParseTuple(tuple, "iy*y*", &piece->kind, &piece->data, &piece->ends))
            return 0;
        if (piece->ends.len / 4 >= a->rows)
            return 1;
    } else if (kind == COPIED || kind == TURNED) {
        if (!PyArg_ParseTuple(tuple, "iLL", &piece->kind, &piece->from, &piece->to))
            return 0;
        if (piece->from >= 0 && piece->from < a->width && piece->to >= 0 && piece->to < a->width)
            return a->offsets.len / 4 / a->width >= a->rows || (PyErr_SetString(PyExc_ValueError, "too few offsets"), 0);
    }
    PyErr_SetString(PyExc_ValueError, "no such piece");
    return 0;
}

PyDoc_STRVAR(assemble_doc, "assemble(data, offsets, width, spans, pieces) -> list of bytes\n\n"
                           "The new records of each span. `pieces` are tuples: (COPIED or TURNED, from, to), by columns of the offsets;\n"
                           "(CONSTANT, bytes); (MADE, data, ends).");

static PyObject *assemble(PyObject *self, PyObject *args) {
    Assembly a = {.pieces = NULL};
    PyObject *span_list, *piece_list, *list = NULL;
    int64_t span_count = 0, row = 0;
    if (!PyArg_ParseTuple(args, "y*y*LOO", &a.data, &a.offsets, &a.width, &span_list, &piece_list))
        return NULL;
    Span *spans = spans_of(span_list, a.data.len, &span_count, &a.rows);
    Py_ssize_t count = spans ? PyList_Size(piece_list) : -1;
    if (count >= 0 && !(a.pieces = PyMem_Calloc((size_t)count + 1, sizeof *a.pieces)))
        PyErr_NoMemory();
    while (a.pieces && a.piece_count < count && take_piece(&a, PyList_GetItem(piece_list, a.piece_count), &a.pieces[a.piece_count]))
        a.piece_count++;
    if (a.pieces && a.piece_count == count)
        list = PyList_New((Py_ssize_t)span_count);
    else if (a.pieces)
        a.piece_count++; /* the one that failed may hold a buffer */
    for (int64_t i = 0; list && i < span_count; i++) {
        int64_t size = assembled_size(&a, row, row + spans[i].rows);
        PyObject *made = size < 0 ? PyErr_Format(PyExc_ValueError, "these offsets are not of these data")
                                  : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        if (made) {
            uint8_t *out = (uint8_t *)PyBytes_AsString(made);
            Py_BEGIN_ALLOW_THREADS
            assemble_records(&a, row, row + spans[i].rows, out);
            Py_END_ALLOW_THREADS
            PyList_SetItem(list, (Py_ssize_t)i, made);
        } else
            Py_CLEAR(list);
        row += spans[i].rows;
    }
    free_pieces(&a);
    PyMem_Free(spans);
    PyBuffer_Release(&a.data);
    PyBuffer_Release(&a.offsets);
    return list;
}

#endif
