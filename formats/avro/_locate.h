/* Where the boundaries between the fields of each record are: the walk over whole blocks. */
#ifndef INSTAR_AVRO_LOCATE
#define INSTAR_AVRO_LOCATE

#include "_step.h"

/* Walks one span's records; where each marked boundary is goes to `out`, `width` a record. `mark[i]` is the column of the boundary
   before slot i, -1 if it is not wanted. */
static int walk_span(const Layout *layout, const uint8_t *data, const Span *span, const int64_t *mark, int64_t width, uint32_t *out) {
    const uint8_t *p = data + span->start, *end = data + span->stop;
    for (int64_t row = 0; row < span->rows; row++, out += width) {
        for (int64_t i = 0; i < layout->slot_count; i++) {
            if (mark[i] >= 0)
                out[mark[i]] = (uint32_t)(p - data);
            if (!step(layout, layout->slots[i], &p, end, 0))
                return 0;
        }
        if (mark[layout->slot_count] >= 0)
            out[mark[layout->slot_count]] = (uint32_t)(p - data);
    }
    return p == end;
}

PyDoc_STRVAR(locate_doc,
             "locate(layout, data, spans, marks) -> offsets\n\n"
             "Walks the records of all spans (start, stop, rows of each, in one list) and says where the boundaries are that `marks`\n"
             "names, ascending (i: before slot i): uint32s, len(marks) a record. Raises Odd.");

static PyObject *locate(PyObject *self, PyObject *args) {
    PyObject *capsule, *span_list, *mark_list, *result = NULL;
    Py_buffer data;
    int64_t width = 0, span_count = 0, rows = 0, *mark = NULL;
    if (!PyArg_ParseTuple(args, "Oy*OO", &capsule, &data, &span_list, &mark_list))
        return NULL;
    const Layout *layout = PyCapsule_GetPointer(capsule, "layout");
    int64_t *wanted = layout ? integers(mark_list, &width) : NULL;
    Span *spans = wanted ? spans_of(span_list, data.len, &span_count, &rows) : NULL;
    if (spans && data.len > UINT32_MAX)
        PyErr_SetString(Odd, "a block is too large");
    else if (spans && !(mark = PyMem_Malloc((size_t)(layout->slot_count + 1) * sizeof *mark)))
        PyErr_NoMemory();
    else if (spans) {
        int good = 1;
        for (int64_t i = 0; i <= layout->slot_count; i++)
            mark[i] = -1;
        for (int64_t i = 0; i < width && good; i++) {
            good = wanted[i] >= 0 && wanted[i] <= layout->slot_count && mark[wanted[i]] < 0;
            if (good)
                mark[wanted[i]] = i;
        }
        if (!good)
            PyErr_SetString(PyExc_ValueError, "no such boundary");
        else if (rows > PY_SSIZE_T_MAX / 8 / (width + 1))
            PyErr_SetString(Odd, "a block is too large");
        else
            result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(rows * width * 4));
    }
    if (result) {
        uint32_t *out = (uint32_t *)PyBytes_AsString(result);
        int plain = 1;
        Py_BEGIN_ALLOW_THREADS
        for (int64_t i = 0; i < span_count && plain; i++) {
            plain = walk_span(layout, data.buf, &spans[i], mark, width, out);
            out += spans[i].rows * width;
        }
        Py_END_ALLOW_THREADS
        if (!plain) {
            Py_DECREF(result);
            result = NULL;
            PyErr_SetString(Odd, "a record is odd");
        }
    }
    PyMem_Free(wanted);
    PyMem_Free(spans);
    PyMem_Free(mark);
    PyBuffer_Release(&data);
    return result;
}

#endif
