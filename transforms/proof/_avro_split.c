/* The fields of Avro records, found without decoding them: each field's bytes of many records, one behind the other. See
 * `avro_columns.py`.
 *
 * It shares no code with what writes Avro, and decodes no value: fastavro does. No bytes make it fail: every read is within the
 * block, and memory grows only with that. Source: Avro 1.12, "Binary Encoding".
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef const unsigned char *Bytes;

enum { NOTHING, FIXED, LONG, TEXT, UNION, LIST, MAP, RECORD, ENUM }; /* kinds of values: of a known size, as a number, … */
enum { DEEPEST = 200, EMPTIEST = 1 << 20 };                    /* values in one another; elements and records of no bytes */

typedef struct {
    int kind;
    Py_ssize_t size; /* of FIXED; the symbols of ENUM */
    Py_ssize_t count, *children;
} Node;

typedef struct {
    Py_ssize_t count;
    Node *nodes; /* the first is the record */
} Form;

typedef struct {
    const Form *form;
    Bytes end;     /* of the block */
    int64_t empty; /* how many elements and records of no bytes there were: few bytes can tell of as many as one likes */
    int misnamed;  /* was there a symbol or a branch that there is not? */
} Walk;

typedef struct {
    char *data;
    size_t size, room;
} Column;

/* ---- where a value ends that begins at `p`; NULL where it does not end within the block */
static Bytes number(Bytes p, Bytes end, int64_t *value)
{
    uint64_t found = 0;
    for (int shift = 0; p < end && shift < 64; shift += 7) {
        unsigned char byte = *p++;
        if (shift == 63 && byte > 1)
            return NULL;
        found |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(found >> 1) ^ -(int64_t)(found & 1);
            return p;
        }
    }
    return NULL;
}

static inline Bytes beyond(Bytes p, Bytes end, int64_t size)
{
    return p && size >= 0 && size <= end - p ? p + size : NULL;
}

static inline Bytes text(Bytes p, Bytes end)
{
    int64_t size = 0;
    p = number(p, end, &size);
    return beyond(p, end, size);
}

static inline int is_named(Walk *w, int64_t which, Py_ssize_t count)
{
    if (which >= 0 && which < count)
        return 1;
    w->misnamed = 1;
    return 0;
}

static Bytes value(Walk *w, Py_ssize_t which, Bytes p, int depth);

static Bytes elements(Walk *w, const Node *node, Bytes p, int depth)
{
    Bytes end = w->end;
    for (;;) {
        int64_t count, size;
        p = number(p, end, &count);
        if (!p || !count)
            return p;
        if (count < 0) { /* a block of so many bytes, which are read all the same */
            if (count == INT64_MIN || !(p = number(p, end, &size)))
                return NULL;
            count = -count;
        }
        for (; count; count--) {
            Bytes from = p;
            if (node->kind == MAP && !(p = text(p, end)))
                return NULL;
            p = value(w, node->children[0], p, depth);
            if (!p || (p == from && ++w->empty > EMPTIEST))
                return NULL;
        }
    }
}

static Bytes value(Walk *w, Py_ssize_t which, Bytes p, int depth)
{
    const Node *node = &w->form->nodes[which];
    Bytes end = w->end, from = p;
    int64_t branch;
    if (depth == DEEPEST)
        return NULL;
    switch (node->kind) {
    case NOTHING:
        return p;
    case FIXED:
        return beyond(p, end, node->size);
    case LONG:
        return number(p, end, &branch);
    case TEXT:
        return text(p, end);
    case ENUM:
        p = number(p, end, &branch);
        return p && is_named(w, branch, node->size) ? p : NULL;
    case UNION:
        p = number(p, end, &branch);
        return p && is_named(w, branch, node->count) ? value(w, node->children[branch], p, depth + 1) : NULL;
    case RECORD:
        for (Py_ssize_t i = 0; p && i < node->count; i++)
            p = value(w, node->children[i], p, depth + 1);
        return p == from && ++w->empty > EMPTIEST ? NULL : p;
    default:
        return elements(w, node, p, depth + 1);
    }
}

/* ---- many records */
static int added(Column *column, Bytes from, size_t size)
{
    if (column->room - column->size < size) {
        size_t room = column->room ? column->room : 1 << 12;
        while (room - column->size < size)
            room *= 2;
        char *data = realloc(column->data, room);
        if (!data)
            return 0;
        column->data = data;
        column->room = room;
    }
    if (size)
        memcpy(column->data + column->size, from, size);
    column->size += size;
    return 1;
}

enum { SPLIT, UNFIT, MISNAMED, NO_MEMORY };

/* `columns` has one for each field, `wanted` which of them are filled. */
static int split_all(const Form *form, Py_ssize_t records, Bytes p, Bytes end, const char *wanted, Column *columns)
{
    const Node *record = form->nodes;
    Walk w = {.form = form, .end = end};
    for (; records; records--)
        for (Py_ssize_t i = 0; i < record->count; i++) {
            Bytes from = p;
            p = value(&w, record->children[i], p, 0);
            if (!p)
                return w.misnamed ? MISNAMED : UNFIT;
            if (wanted[i] && !added(&columns[i], from, (size_t)(p - from)))
                return NO_MEMORY;
        }
    return p == end ? SPLIT : UNFIT;
}

/* ---- what Python tells */
#define CAPSULE "instar.transforms.proof._avro_split.form"

static void freed(Form *form)
{
    for (Py_ssize_t i = 0; form->nodes && i < form->count; i++)
        free(form->nodes[i].children);
    free(form->nodes);
    free(form);
}

static void forget(PyObject *capsule)
{
    freed(PyCapsule_GetPointer(capsule, CAPSULE));
}

static int take_node(Node *node, PyObject *told, Py_ssize_t count)
{
    PyObject *children;
    if (!PyTuple_Check(told)) {
        PyErr_SetString(PyExc_TypeError, "a node is told as a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(told, "inO!", &node->kind, &node->size, &PyTuple_Type, &children))
        return 0;
    node->count = PyTuple_Size(children);
    node->children = calloc((size_t)node->count + 1, sizeof *node->children);
    if (!node->children) {
        PyErr_NoMemory();
        return 0;
    }
    int one = node->kind == LIST || node->kind == MAP;
    if (node->kind < NOTHING || node->kind > ENUM || node->size < 0 || (one && node->count != 1)) {
        PyErr_SetString(PyExc_ValueError, "there is no such kind of value");
        return 0;
    }
    for (Py_ssize_t i = 0; i < node->count; i++) {
        node->children[i] = PyLong_AsSsize_t(PyTuple_GetItem(children, i));
        if (PyErr_Occurred())
            return 0;
        if (node->children[i] < 0 || node->children[i] >= count) {
            PyErr_SetString(PyExc_ValueError, "there is no such node");
            return 0;
        }
    }
    return 1;
}

/* (nodes) → form: of each node its kind, size and children; the first is the record */
static PyObject *form(PyObject *module, PyObject *arguments)
{
    PyObject *told, *made = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!", &PyTuple_Type, &told))
        return NULL;
    Form *f = calloc(1, sizeof *f);
    if (!f)
        return PyErr_NoMemory();
    f->count = PyTuple_Size(told);
    f->nodes = calloc((size_t)f->count + 1, sizeof *f->nodes);
    Py_ssize_t i = 0;
    if (!f->nodes)
        PyErr_NoMemory();
    else
        while (i < f->count && take_node(&f->nodes[i], PyTuple_GetItem(told, i), f->count))
            i++;
    if (!PyErr_Occurred() && (!f->count || f->nodes->kind != RECORD))
        PyErr_SetString(PyExc_ValueError, "the first node is no record");
    if (!PyErr_Occurred())
        made = PyCapsule_New(f, CAPSULE, forget);
    if (!made)
        freed(f);
    return made;
}

/* (form, records, block, wanted) → of each field all values' bytes, of those that are wanted; None where the block is not so many
 * records and no more, False where that is because it has a symbol or a branch that there is not. `wanted` has a byte for each field. */
static PyObject *split(PyObject *module, PyObject *arguments)
{
    PyObject *capsule, *made = NULL;
    Py_buffer block;
    const char *wanted;
    Py_ssize_t records, fields;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "Ony*y#", &capsule, &records, &block, &wanted, &fields))
        return NULL;
    Form *f = PyCapsule_GetPointer(capsule, CAPSULE);
    if (f && (fields != f->nodes->count || records < 0)) {
        PyErr_SetString(PyExc_ValueError, "there is another number of fields");
        f = NULL;
    }
    Column *columns = f ? calloc((size_t)fields + 1, sizeof *columns) : NULL;
    if (f && !columns)
        PyErr_NoMemory();
    if (columns) {
        int done;
        int endless = records > EMPTIEST && records > block.len; /* records of no bytes */
        Py_BEGIN_ALLOW_THREADS
        done = endless ? UNFIT : split_all(f, records, block.buf, (Bytes)block.buf + block.len, wanted, columns);
        Py_END_ALLOW_THREADS
        if (done == NO_MEMORY)
            PyErr_NoMemory();
        else if (done != SPLIT)
            made = Py_NewRef(done == MISNAMED ? Py_False : Py_None);
        else
            made = PyTuple_New(fields);
        for (Py_ssize_t i = 0; i < fields; i++) {
            if (made && done == SPLIT) {
                PyObject *each = PyBytes_FromStringAndSize(columns[i].data ? columns[i].data : "", (Py_ssize_t)columns[i].size);
                if (!each || PyTuple_SetItem(made, i, each) < 0)
                    Py_CLEAR(made);
            }
            free(columns[i].data);
        }
        free(columns);
    }
    PyBuffer_Release(&block);
    return made;
}

/* ---- the module */
static PyMethodDef methods[] = {
    {"form", form, METH_VARARGS, "(nodes) -> form"},
    {"split", split, METH_VARARGS, "(form, records, block, wanted) -> of each field its values' bytes, or None or False"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_avro_split", "The fields of Avro records; see avro_columns.py.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__avro_split(void)
{
    PyObject *made = PyModule_Create(&definition);
    if (made && PyModule_AddIntConstant(made, "INTERFACE", 2) < 0) /* as in avro_columns.py */
        Py_CLEAR(made);
    return made;
}
