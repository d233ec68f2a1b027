/* Thrift's compact protocol, decoded and encoded, and the form of what was decoded: what formats/parquet/thrift.py and footer_form.py
   do in Python, some twenty times faster. A dataset of 10,000 files has 10,000 footers.

   All functions only ever do the plain case. What is odd in any way (damage, a map, a number of more than 64 bits, structs nested
   deeply) they leave to the Python that they stand for, which gives the exact value or the exact error: they answer None, or False.

   `_thrift_read.h` is how numbers are read, `_thrift_write.h` all that is written, `_chunks.h` and `_moved_chunks.h`
   are of column chunks, and `_references.h` is of pages and no thrift; the module is optional. */

#include "_moved_chunks.h"
#include "_references.h"

/* Which nested fields are opened: all below (dict NULL, all 1), none (dict NULL, all 0), or those that the dict says. */
typedef struct {
    PyObject *dict;
    int all;
} Opened;

static PyObject *read_struct(Reader *reader, Opened opened, int depth);

static PyObject *odd(Reader *reader) {
    reader->odd = 1;
    return NULL;
}

/* ---- values */
/* (wire, value); takes `value`, which is NULL where there was an error. */
static PyObject *pair(long wire, PyObject *value) {
    PyObject *both = value ? PyTuple_New(2) : NULL;
    PyObject *kind = both ? PyLong_FromLong(wire) : NULL;
    if (!kind) {
        Py_XDECREF(value);
        Py_XDECREF(both);
        return NULL;
    }
    PyTuple_SetItem(both, 0, kind);
    PyTuple_SetItem(both, 1, value);
    return both;
}

static PyObject *slice(Reader *reader, Py_ssize_t start) {
    return PyBytes_FromStringAndSize((const char *)reader->data + start, reader->at - start);
}

static PyObject *read_value(Reader *reader, uint8_t wire, Opened opened, int depth);

static PyObject *read_list(Reader *reader, Opened opened, int depth) {
    uint8_t kind;
    uint64_t count;
    if (!read_header(reader, &kind, &count))
        return odd(reader);
    PyObject *list = PyList_New(0); /* it grows with what is read: `count` may be a lie */
    while (list && count--) {
        uint8_t byte;
        PyObject *item;
        if (kind <= FALSE_)
            item = read_byte(reader, &byte) ? PyBool_FromLong(byte == TRUE_) : odd(reader);
        else
            item = read_value(reader, kind, opened, depth + 1);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return pair(kind, list);
}

static PyObject *read_value(Reader *reader, uint8_t wire, Opened opened, int depth) {
    uint64_t number;
    uint8_t byte;
    Py_ssize_t start = reader->at;
    switch (wire) {
    case BYTE:
        return read_byte(reader, &byte) ? PyLong_FromLong(byte) : odd(reader);
    case I16:
    case I32:
    case I64:
        return read_varint(reader, &number) ? PyLong_FromLongLong(unzigzag(number)) : odd(reader);
    case DOUBLE:
        return take(reader, 8) ? slice(reader, start) : odd(reader);
    case UUID:
        return take(reader, 16) ? slice(reader, start) : odd(reader);
    case BINARY:
        if (!read_varint(reader, &number))
            return odd(reader);
        start = reader->at;
        return take(reader, number) ? slice(reader, start) : odd(reader);
    case LIST:
    case SET:
        return depth > DEEPEST ? odd(reader) : read_list(reader, opened, depth);
    case STRUCT:
        return read_struct(reader, opened, depth + 1);
    default:
        return odd(reader);
    }
}

/* What is opened below a field: found says whether the field is to be opened at all. Returns 0 with a Python error. */
static int below(Opened opened, PyObject *number, Opened *inner, int *found) {
    *inner = (Opened){NULL, 1};
    *found = opened.all;
    if (!opened.dict)
        return 1;
    PyObject *held = PyDict_GetItemWithError(opened.dict, number);
    if (!held)
        return !PyErr_Occurred();
    *found = 1;
    *inner = PyDict_Check(held) ? (Opened){held, 0} : (Opened){NULL, held == Py_True};
    return 1;
}

static PyObject *read_field(Reader *reader, uint8_t wire, PyObject *number, Opened opened, int depth) {
    Opened inner;
    int found;
    if (wire <= FALSE_)
        return pair(TRUE_, PyBool_FromLong(wire == TRUE_));
    if (!below(opened, number, &inner, &found))
        return NULL;
    if (wire >= LIST && !found) {
        Py_ssize_t start = reader->at;
        return skip(reader, wire, depth) ? pair(wire | RAW, slice(reader, start)) : odd(reader);
    }
    return pair(wire, read_value(reader, wire, inner, depth));
}

static PyObject *read_struct(Reader *reader, Opened opened, int depth) {
    if (depth > DEEPEST)
        return odd(reader);
    PyObject *out = PyDict_New();
    int64_t number = 0;
    uint64_t given;
    uint8_t byte;
    while (out) {
        if (!read_byte(reader, &byte)) {
            odd(reader);
            break;
        }
        if (!byte)
            return out;
        if (!(byte & 15) || (byte < 0x10 && !read_varint(reader, &given))) {
            odd(reader);
            break;
        }
        number = byte >= 0x10 ? number + (byte >> 4) : unzigzag(given);
        if (number < INT16_MIN || number > INT16_MAX) { /* no field's number */
            odd(reader);
            break;
        }
        PyObject *key = PyLong_FromLongLong(number);
        PyObject *field = key ? read_field(reader, byte & 15, key, opened, depth) : NULL;
        int failed = !field || PyDict_SetItem(out, key, field) < 0;
        Py_XDECREF(key);
        Py_XDECREF(field);
        if (failed)
            break;
    }
    Py_XDECREF(out);
    return NULL;
}

PyDoc_STRVAR(decode_doc, "decode(data, at, opened) -> (struct, next) or None\n\nSee thrift.decode; None where that is to be asked.");

static PyObject *decode(PyObject *self, PyObject *args) {
    PyObject *bytes, *opened;
    Py_ssize_t at;
    (void)self;
    if (!PyArg_ParseTuple(args, "SnO:decode", &bytes, &at, &opened))
        return NULL;
    Reader reader = {(const uint8_t *)PyBytes_AsString(bytes), at, PyBytes_Size(bytes), 0};
    if (at < 0 || at > reader.size)
        Py_RETURN_NONE;
    Opened first = PyDict_Check(opened) ? (Opened){opened, 0} : (Opened){NULL, opened == Py_True};
    PyObject *out = read_struct(&reader, first, 0);
    if (out)
        return Py_BuildValue("(Nn)", out, reader.at);
    if (reader.odd && !PyErr_Occurred())
        Py_RETURN_NONE;
    return NULL;
}

/* ---- the form of a footer: 1 it has it, 0 it does not, -1 a Python error */
static int has_form(PyObject *decoded, PyObject *form);

/* The parts of such a pair as `decode` makes it: 1 it is one, 0 it is not, -1 a Python error. */
static int apart(PyObject *held, long *wire, PyObject **value) {
    if (!PyTuple_Check(held) || PyTuple_Size(held) != 2)
        return 0;
    *wire = PyLong_AsLong(PyTuple_GetItem(held, 0));
    *value = PyTuple_GetItem(held, 1);
    return *wire == -1 && PyErr_Occurred() ? -1 : 1;
}

/* `kind`: an int (a wire type), a tuple (a form, for a struct), or a list of one such (for a list of them). */
static int is_kind(PyObject *held, PyObject *kind) {
    PyObject *value, *values;
    long wire, element;
    int good = apart(held, &wire, &value);
    if (good != 1)
        return good;
    if (PyLong_Check(kind))
        return (wire & ~RAW) == PyLong_AsLong(kind);
    if (PyTuple_Check(kind))
        return wire == STRUCT ? has_form(value, kind) : (wire & ~RAW) == STRUCT;
    if (wire != LIST)
        return (wire & ~RAW) == LIST;
    PyObject *inner = PyList_GetItem(kind, 0);
    if (!inner || (good = apart(value, &element, &values)) == -1)
        return -1;
    if (!good || !PyList_Check(values))
        return 0;
    Py_ssize_t count = PyList_Size(values);
    int is_form = PyTuple_Check(inner);
    if (count && element != (is_form ? STRUCT : PyLong_AsLong(inner)))
        return 0;
    for (Py_ssize_t i = 0; is_form && i < count; i++)
        if ((good = has_form(PyList_GetItem(values, i), inner)) != 1)
            return good;
    return 1;
}

static int has_form(PyObject *decoded, PyObject *form) {
    PyObject *fields, *needed;
    if (!PyDict_Check(decoded))
        return 0;
    if (!PyArg_ParseTuple(form, "O!O!", &PyDict_Type, &fields, &PyTuple_Type, &needed))
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_Size(needed); i++) {
        int there = PyDict_Contains(decoded, PyTuple_GetItem(needed, i));
        if (there != 1)
            return there;
    }
    PyObject *number, *held;
    Py_ssize_t at = 0;
    while (PyDict_Next(decoded, &at, &number, &held)) {
        PyObject *kind = PyDict_GetItemWithError(fields, number);
        if (!kind && PyErr_Occurred())
            return -1;
        int good = kind ? is_kind(held, kind) : 1; /* a field that nobody knows may be anything */
        if (good != 1)
            return good;
    }
    return 1;
}

PyDoc_STRVAR(fits_doc, "fits(struct, form) -> bool\n\nHas a decoded struct the form? False where Python is to be asked what is wrong.");

static PyObject *fits(PyObject *self, PyObject *args) {
    PyObject *decoded, *form;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO!:fits", &decoded, &PyTuple_Type, &form))
        return NULL;
    int good = has_form(decoded, form);
    return good < 0 ? NULL : PyBool_FromLong(good);
}

static PyMethodDef methods[] = {
    {"decode", decode, METH_VARARGS, decode_doc},
    {"fits", fits, METH_VARARGS, fits_doc},
    {"encode", encode, METH_O, encode_doc},
    {"moved_chunk", moved_chunk, METH_VARARGS, moved_chunk_doc},
    {"outlines", outlines, METH_VARARGS, outlines_doc},
    {"moved", moved, METH_VARARGS, moved_doc},
    {"referred", referred, METH_VARARGS, referred_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "instar.formats.parquet._thrift",
    .m_doc = "Thrift's compact protocol, as Parquet's footers have it.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__thrift(void) {
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddIntConstant(made, "INTERFACE", 5) < 0) /* as in formats/compiled.py */
        Py_CLEAR(made);
    return made;
}
