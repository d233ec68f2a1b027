/* What Python tells: lists of integers, and the blocks that a buffer holds; and the error for what is odd. */
#ifndef INSTAR_AVRO_ARGUMENTS
#define INSTAR_AVRO_ARGUMENTS

#include <Python.h>
#include <stdint.h>

static PyObject *Odd; /* raised for what this walk does not do: the caller goes the other way, which has the words for it */

/* The integers of a list, `*count` of them; NULL with an exception set. */
static int64_t *integers(PyObject *list, int64_t *count) {
    Py_ssize_t length = PyList_Size(list);
    if (length < 0)
        return NULL;
    int64_t *made = PyMem_Malloc((size_t)(length + 1) * sizeof *made);
    if (!made) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < length; i++) {
        made[i] = PyLong_AsLongLong(PyList_GetItem(list, i));
        if (PyErr_Occurred()) {
            PyMem_Free(made);
            return NULL;
        }
    }
    *count = length;
    return made;
}

typedef struct {
    int64_t start, stop, rows;
} Span; /* one block's records in a buffer */

/* The spans of a list of start, stop, rows; NULL with an exception set. `*rows` is the sum of theirs. */
static Span *spans_of(PyObject *list, Py_ssize_t size, int64_t *count, int64_t *rows) {
    int64_t numbers = 0;
    Span *spans = (Span *)integers(list, &numbers);
    if (!spans)
        return NULL;
    *count = numbers / 3;
    *rows = 0;
    for (int64_t i = 0; i < *count; i++) {
        Span s = spans[i];
        if (s.start < 0 || s.stop < s.start || s.stop > size || s.rows < 0 || s.rows > INT32_MAX - *rows) {
            PyErr_SetString(Odd, "a block is too large");
            PyMem_Free(spans);
            return NULL;
        }
        *rows += s.rows;
    }
    return spans;
}

#endif
