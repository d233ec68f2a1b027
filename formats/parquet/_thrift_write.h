/* Writing thrift's compact protocol: what `encode` of formats/parquet/thrift.py and `moved` of page_index.py do in Python. As in reading,
   only the plain case is done here; what is odd (a map, a number of more than 64 bits, a value of another type than its wire type's)
   is left to the Python that this stands for. No Python code runs while a struct is written, so that nothing changes under way. */

#pragma once
#include "_thrift_read.h"

#define MOST_FIELDS 64 /* of a struct */

typedef struct {
    uint8_t *data;
    Py_ssize_t size, room;
} Writer;

/* ---- bytes; each returns 0 where memory ends or the value is odd */
static int put(Writer *writer, const void *data, Py_ssize_t count) {
    if (count > writer->room - writer->size) {
        Py_ssize_t room = writer->room + (writer->room >> 1) + count + 256;
        uint8_t *more = room > writer->room ? PyMem_Realloc(writer->data, (size_t)room) : NULL;
        if (!more)
            return 0;
        writer->data = more;
        writer->room = room;
    }
    if (count)
        memcpy(writer->data + writer->size, data, (size_t)count);
    writer->size += count;
    return 1;
}

static int put_byte(Writer *writer, uint8_t byte) { return put(writer, &byte, 1); }

static int put_varint(Writer *writer, uint64_t number) {
    uint8_t bytes[10];
    Py_ssize_t count = 0;
    while (number >= 0x80) {
        bytes[count++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    bytes[count++] = (uint8_t)number;
    return put(writer, bytes, count);
}

static uint64_t zigzag(int64_t number) { return ((uint64_t)number << 1) ^ (uint64_t)(number >> 63); }

/* An int that has 64 bits. */
static int whole(PyObject *value, int64_t *number) {
    int overflow;
    if (!PyLong_Check(value))
        return 0;
    *number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return !overflow;
}

static int put_number(Writer *writer, PyObject *value) {
    int64_t number;
    return whole(value, &number) && put_varint(writer, zigzag(number));
}

static int put_bytes(Writer *writer, PyObject *value, int counted) {
    if (!PyBytes_Check(value))
        return 0;
    Py_ssize_t size = PyBytes_Size(value);
    return (!counted || put_varint(writer, (uint64_t)size)) && put(writer, PyBytes_AsString(value), size);
}

/* ---- structs; each returns 0 where they are odd */
static int put_struct(Writer *writer, PyObject *fields, int depth);

static int put_list(Writer *writer, PyObject *value, int depth);

static int put_value(Writer *writer, int64_t wire, PyObject *value, int depth) {
    int64_t number;
    if (wire & RAW)
        return put_bytes(writer, value, 0);
    switch (wire) {
    case BYTE:
        return whole(value, &number) && put_byte(writer, (uint8_t)number);
    case I16:
    case I32:
    case I64:
        return put_number(writer, value);
    case DOUBLE:
    case UUID:
        return put_bytes(writer, value, 0);
    case BINARY:
        return put_bytes(writer, value, 1);
    case LIST:
    case SET:
        return put_list(writer, value, depth + 1);
    case STRUCT:
        return put_struct(writer, value, depth + 1);
    default:
        return 0;
    }
}

/* The parts of a tuple of an int and something else. */
static int parts(PyObject *both, int64_t *number, PyObject **value) {
    if (!PyTuple_Check(both) || PyTuple_Size(both) != 2 || !whole(PyTuple_GetItem(both, 0), number))
        return 0;
    *value = PyTuple_GetItem(both, 1);
    return 1;
}

static int put_list(Writer *writer, PyObject *value, int depth) {
    int64_t kind;
    PyObject *items;
    if (depth > DEEPEST || !parts(value, &kind, &items) || !PyList_Check(items) || kind < 0 || kind > UUID)
        return 0;
    Py_ssize_t count = PyList_Size(items);
    int head = count < 15 ? put_byte(writer, (uint8_t)(count << 4 | kind))
                          : put_byte(writer, (uint8_t)(0xF0 | kind)) && put_varint(writer, (uint64_t)count);
    for (Py_ssize_t i = 0; head && i < count; i++) {
        PyObject *item = PyList_GetItem(items, i);
        if (kind > FALSE_ ? !put_value(writer, kind, item, depth)
                          : !PyBool_Check(item) || !put_byte(writer, item == Py_True ? TRUE_ : FALSE_))
            return 0;
    }
    return head;
}

static int put_field(Writer *writer, int64_t number, int64_t last, PyObject *held, int depth) {
    int64_t wire;
    PyObject *value;
    if (!parts(held, &wire, &value) || wire < TRUE_ || (wire & ~(int64_t)RAW) > UUID)
        return 0;
    int64_t kind = wire & 15;
    if (kind <= FALSE_) {
        if (!PyBool_Check(value))
            return 0;
        kind = value == Py_True ? TRUE_ : FALSE_;
    }
    int64_t step = number - last;
    int head = step > 0 && step < 16 ? put_byte(writer, (uint8_t)(step << 4 | kind))
                                     : put_byte(writer, (uint8_t)kind) && put_varint(writer, zigzag(number));
    return head && (kind <= FALSE_ || put_value(writer, wire, value, depth));
}

typedef struct {
    int64_t number;
    PyObject *held;
} NumberedField;

/* The fields in ascending order of their numbers. */
static int put_struct(Writer *writer, PyObject *fields, int depth) {
    NumberedField found[MOST_FIELDS];
    Py_ssize_t at = 0, count = 0;
    PyObject *key, *held;
    if (depth > DEEPEST || !PyDict_Check(fields) || PyDict_Size(fields) > MOST_FIELDS)
        return 0;
    while (PyDict_Next(fields, &at, &key, &held)) {
        int64_t number;
        if (!whole(key, &number) || number < INT16_MIN || number > INT16_MAX)
            return 0;
        Py_ssize_t place = count++;
        for (; place > 0 && found[place - 1].number > number; place--)
            found[place] = found[place - 1];
        found[place] = (NumberedField){number, held};
    }
    int64_t last = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!put_field(writer, found[i].number, last, found[i].held, depth))
            return 0;
        last = found[i].number;
    }
    return put_byte(writer, 0);
}

/* What was written as bytes, or None; the writer's memory is given back. */
static PyObject *written(Writer *writer, int good) {
    PyObject *bytes = good ? PyBytes_FromStringAndSize((const char *)writer->data, writer->size) : Py_NewRef(Py_None);
    PyMem_Free(writer->data);
    return bytes;
}

PyDoc_STRVAR(encode_doc, "encode(struct) -> bytes or None\n\nSee thrift.encode; None where that is to be asked.");

static PyObject *encode(PyObject *self, PyObject *fields) {
    Writer writer = {NULL, 0, 0};
    (void)self;
    return written(&writer, put_struct(&writer, fields, 0));
}

/* ---- an offset index */
/* A PageLocation as all writers write it: offset, length, first row. */
static int move_location(Reader *index, Writer *writer, int64_t by) {
    uint64_t offset, number;
    uint8_t byte;
    if (!read_byte(index, &byte) || byte != (1 << 4 | I64) || !read_varint(index, &offset) || offset & 1)
        return 0;
    int64_t moved = (int64_t)(offset >> 1);
    if (by > 0 ? moved > INT64_MAX - by : moved + by < 0)
        return 0;
    Py_ssize_t rest = index->at;
    return read_byte(index, &byte) && byte == (1 << 4 | I32) && read_varint(index, &number) && read_byte(index, &byte) &&
           byte == (1 << 4 | I64) && read_varint(index, &number) && read_byte(index, &byte) && !byte &&
           put_byte(writer, 1 << 4 | I64) && put_varint(writer, zigzag(moved + by)) &&
           put(writer, index->data + rest, index->at - rest);
}

static int move_locations(Reader *index, Writer *writer, int64_t by) {
    uint64_t count;
    uint8_t byte;
    if (!read_byte(index, &byte) || byte != (1 << 4 | LIST) || !read_header(index, &byte, &count) || byte != STRUCT ||
        !put(writer, index->data, index->at))
        return 0;
    while (count--)
        if (!move_location(index, writer, by))
            return 0;
    return put(writer, index->data + index->at, index->size - index->at);
}

PyDoc_STRVAR(moved_doc, "moved(index, by) -> bytes or None\n\nSee page_index.moved; None where that is to be asked.");

static PyObject *moved(PyObject *self, PyObject *args) {
    PyObject *bytes;
    long long by;
    (void)self;
    if (!PyArg_ParseTuple(args, "SL:moved", &bytes, &by))
        return NULL;
    Reader index = {(const uint8_t *)PyBytes_AsString(bytes), 0, PyBytes_Size(bytes), 0};
    Writer writer = {NULL, 0, 0};
    return written(&writer, move_locations(&index, &writer, by));
}
