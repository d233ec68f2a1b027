/* Finding the bytes of each field in blocks of Avro records, and putting records together from such bytes (Avro 1.12, "Binary
   Encoding").

   What formats/avro/walk.py does by generated Python, many times faster. The module is optional: where it could not be built,
   formats/avro/splice.py does without it. It takes the plain case only: whatever is odd (damage, a number spelled in more bytes
   than it needs where that matters, deep nesting) raises Odd, and the caller goes the other way, which has the words for it.

   Every read is checked against the end of its block and every range against the end of its buffer, whatever the arguments say.

   `_numbers.h` reads numbers and lengths, `_arguments.h` what Python tells, `_step.h` steps over a value, `_locate.h` walks whole
   blocks; `_place.h` is what is found, `_decode.h` its values as arrays, `_encode.h` the way back (`_types.h`: of which types), and
   `_assemble.h` puts records together. Here are the heads of blocks, and the module. */

#define PY_SSIZE_T_CLEAN
#include "_arguments.h"
#include "_assemble.h"
#include "_decode.h"
#include "_encode.h"
#include "_locate.h"
#include "_numbers.h"
#include "_place.h"
#include "_step.h"
#include "_types.h"

#define INTERFACE 2 /* as in formats/compiled.py: changes with the functions' arguments and results */

/* ---- blocks */

PyDoc_STRVAR(heads_doc, "heads(data, sync) -> list\n\n"
                        "The blocks at the beginning of `data` that are whole: rows, where the block's data begins, and its size, of\n"
                        "each. It ends before the first one that is not, or that does not end with the sync marker.");

static PyObject *heads(PyObject *self, PyObject *args) {
    Py_buffer data, sync;
    if (!PyArg_ParseTuple(args, "y*y*", &data, &sync))
        return NULL;
    PyObject *list = PyList_New(0);
    const uint8_t *start = data.buf, *p = start, *end = start + data.len;
    int64_t numbers[3]; /* rows, start, size */
    while (list && read_long(&p, end, &numbers[0]) && read_long(&p, end, &numbers[2]) && numbers[0] >= 0 && numbers[2] >= 0 &&
           numbers[2] <= end - p - sync.len && !memcmp(p + numbers[2], sync.buf, (size_t)sync.len)) {
        numbers[1] = p - start;
        p += numbers[2] + sync.len;
        for (int i = 0; list && i < 3; i++) {
            PyObject *number = PyLong_FromLongLong(numbers[i]);
            if (!number || PyList_Append(list, number) < 0)
                Py_CLEAR(list);
            Py_XDECREF(number);
        }
    }
    PyBuffer_Release(&data);
    PyBuffer_Release(&sync);
    return list;
}

/* ---- the module */

static PyMethodDef methods[] = {
    {"layout", make_layout, METH_VARARGS, layout_doc}, {"locate", locate, METH_VARARGS, locate_doc},
    {"raws", raws, METH_VARARGS, raws_doc},            {"column", column, METH_VARARGS, column_doc},
    {"encoded", encoded, METH_VARARGS, encoded_doc},   {"joined", joined, METH_O, joined_doc},
    {"assemble", assemble, METH_VARARGS, assemble_doc}, {"heads", heads, METH_VARARGS, heads_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "instar.formats.avro._walk",
    .m_doc = "Avro's binary encoding, walked and put together without decoding.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__walk(void) {
    static const char *names[] = {"NOTHING", "FIXED",   "NUMBER",  "TEXT",    "OPTIONAL", "UNION", "ARRAY", "MAP", "RECORD",
                                  "PLAIN",   "NULLABLE", "BRANCHED", "INT32",  "INT64",    "FLOAT32", "FLOAT64", "BOOLEAN", "BYTES",
                                  "COPIED",  "TURNED",  "CONSTANT", "MADE"};
    static const int values[] = {NOTHING, FIXED, NUMBER, TEXT, OPTIONAL, UNION, ARRAY, MAP, RECORD, PLAIN, NULLABLE,
                                 BRANCHED, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, BYTES, COPIED, TURNED, CONSTANT, MADE};
    PyObject *made = PyModule_Create(&module);
    Odd = PyErr_NewException("instar.formats.avro._walk.Odd", PyExc_ValueError, NULL);
    if (!made || !Odd || PyModule_AddObjectRef(made, "Odd", Odd) < 0 || PyModule_AddIntConstant(made, "INTERFACE", INTERFACE) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (PyModule_AddIntConstant(made, names[i], values[i]) < 0)
            return NULL;
    return made;
}
