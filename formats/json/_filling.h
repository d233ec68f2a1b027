/* The new text, when what fills its holes is known. */
#ifndef INSTAR_JSON_FILLING
#define INSTAR_JSON_FILLING

#include "_members.h"

/* What an array holds, as bytes. */
static PyObject *bytes_of(const Array *array)
{
    return PyBytes_FromStringAndSize(array->size ? array->data : "", (Py_ssize_t)array->size);
}

static PyObject *numbers(const Array *array)
{
    Py_ssize_t count = (Py_ssize_t)COUNT(array, Py_ssize_t);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *number = PyLong_FromSsize_t(AT(array, Py_ssize_t, i));
        if (!number || PyList_SetItem(list, i, number) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *item(PyObject *list, Py_ssize_t number)
{
    if (list && !PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "what fills the holes comes in lists");
        return NULL;
    }
    return list ? PyList_GetItem(list, number) : NULL;
}

typedef struct {
    Py_buffer text, pieces, extra, holes;
    PyObject *levels, *records, *missing;
} Made;

/* What a hole gets, borrowed; NULL with an error. */
static PyObject *value_of(const Made *made, const Hole *hole)
{
    if (hole->level < 0)
        return item(made->records, hole->number);
    return item(item(item(made->levels, hole->level), hole->column), hole->number);
}

/* Text of which only the size is wanted first; then `into` has room for that. */
typedef struct {
    char *into;
    Py_ssize_t size, room;
} Output;

/* 0 where there is no room. */
static int add(Output *output, const char *data, Py_ssize_t size)
{
    if (size > output->room - output->size)
        return 0;
    if (output->into && size)
        memcpy(output->into + output->size, data, (size_t)size);
    output->size += size;
    return 1;
}

/* Adds a value's text; None is a null. 0 where there is no room, or with an error. */
static int add_value(Output *output, PyObject *value)
{
    if (value == Py_None)
        return add(output, "null", 4);
    if (PyBytes_CheckExact(value))
        return add(output, PyBytes_AsString(value), PyBytes_Size(value));
    Py_buffer raw;
    if (PyObject_GetBuffer(value, &raw, PyBUF_SIMPLE) < 0)
        return 0;
    int added = add(output, raw.buf, raw.len);
    PyBuffer_Release(&raw);
    return added;
}

/* Puts the new text together; `without` gets the records in which a value is missing. 0 with an error. */
static int put_together(const Made *made, Output *output, Array *without)
{
    const Py_ssize_t holes = made->holes.len / (Py_ssize_t)sizeof(Hole);
    int failed = 0;
    for (Py_ssize_t i = 0; i < made->pieces.len / (Py_ssize_t)sizeof(Piece); i++) {
        Piece piece;
        memcpy(&piece, (const char *)made->pieces.buf + i * (Py_ssize_t)sizeof piece, sizeof piece);
        if (piece.size >= 0) {
            const Py_buffer *from = piece.at < 0 ? &made->extra : &made->text;
            Py_ssize_t at = piece.at < 0 ? -1 - piece.at : piece.at;
            if (at > from->len || piece.size > from->len - at || !add(output, (const char *)from->buf + at, piece.size))
                goto wrong;
            continue;
        }
        Hole hole;
        if (piece.at < 0 || piece.at >= holes)
            goto wrong;
        memcpy(&hole, (const char *)made->holes.buf + piece.at * (Py_ssize_t)sizeof hole, sizeof hole);
        PyObject *value = value_of(made, &hole);
        if (!value)
            return 0;
        if (value == made->missing) {
            size_t count = COUNT(without, Py_ssize_t);
            if ((!count || AT(without, Py_ssize_t, count - 1) != hole.record)
                && !append(without, &hole.record, sizeof hole.record, &failed)) {
                PyErr_NoMemory();
                return 0;
            }
        } else if (!add_value(output, value))
            goto wrong;
    }
    return 1;
wrong:
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "a piece is not in the text");
    return 0;
}

/* (text, (pieces, extra texts, holes), values by level, column and number, records, missing) → the new text, or the list of the
 * records in which a value is `missing` */
static PyObject *fill(PyObject *module, PyObject *arguments)
{
    Made made;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*(y*y*y*)OOO", &made.text, &made.pieces, &made.extra, &made.holes, &made.levels, &made.records,
                          &made.missing))
        return NULL;
    Array without = {NULL, 0, 0};
    Output output = {NULL, 0, PY_SSIZE_T_MAX};
    if (put_together(&made, &output, &without)) {
        if (without.size)
            result = numbers(&without);
        else if ((result = PyBytes_FromStringAndSize(NULL, output.size))) {
            Output written = {PyBytes_AsString(result), 0, output.size};
            if (!put_together(&made, &written, &without))
                Py_CLEAR(result);
            else if (written.size != output.size) {
                PyErr_SetString(PyExc_RuntimeError, "a value changed while it was written");
                Py_CLEAR(result);
            }
        }
    }
    free(without.data);
    Py_buffer *all[] = {&made.text, &made.pieces, &made.extra, &made.holes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        PyBuffer_Release(all[i]);
    return result;
}

#endif
