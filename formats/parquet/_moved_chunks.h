/* Column chunks whose pages lie elsewhere in a new file: their structs with the places written anew, and all else as it stands. */

#pragma once
#include "_chunks.h"
#include "_thrift_write.h"

/* Where a chunk lies now, how much further it will, and where its indexes will be. */
typedef struct {
    int64_t start, stop, by, column_at, offset_at, offset_length;
} Move;

/* Copies a value of that wire type. */
static int copy_value(Reader *reader, Writer *writer, uint8_t wire) {
    Py_ssize_t from = reader->at;
    return wire <= FALSE_ || (skip(reader, wire, 2) && put(writer, reader->data + from, reader->at - from));
}

static int move_meta(Reader *reader, Writer *writer, const Move *move) {
    int64_t number = 0, at;
    uint32_t seen = 0;
    uint8_t wire;
    int more;
    Py_ssize_t from = reader->at;
    while ((more = next_field(reader, &number, &wire, &seen)) == 1) {
        if (!put(writer, reader->data + from, reader->at - from))
            return 0;
        if (number >= 9 && number <= 11) { /* offsets of first pages */
            if (!read_number(reader, wire, I64, &at) || (move->by > 0 && at > INT64_MAX - move->by) ||
                !put_varint(writer, zigzag(at > 0 ? at + move->by : at)))
                return 0;
        } else if (!copy_value(reader, writer, wire))
            return 0;
        from = reader->at;
    }
    return !more && put_byte(writer, 0);
}

static int move_chunk(Reader *reader, Writer *writer, const Move *move) {
    int64_t number = 0, at;
    uint32_t seen = 0;
    uint8_t wire;
    int more, good;
    Py_ssize_t from = reader->at;
    while ((more = next_field(reader, &number, &wire, &seen)) == 1) {
        if (!put(writer, reader->data + from, reader->at - from))
            return 0;
        if (number == 3)
            good = wire == STRUCT && move_meta(reader, writer, move);
        else if (number == 7)
            good = copy_value(reader, writer, wire);
        else if ((good = read_number(reader, wire, number == 5 ? I32 : I64, &at))) {
            at = number == 2   ? move->start <= at && at < move->stop ? at + move->by : 0
                 : number == 4 ? move->offset_at
                 : number == 5 ? move->offset_length
                               : move->column_at;
            good = put_varint(writer, zigzag(at));
        }
        if (!good)
            return 0;
        from = reader->at;
    }
    return !more && reader->at == reader->size && put_byte(writer, 0);
}

PyDoc_STRVAR(moved_chunk_doc, "moved_chunk(chunk, start, stop, by, column_at, offset_at, offset_length) -> bytes or None\n\n"
                              "See weave._written; only for chunks that `outlines` found ordinary.");

static PyObject *moved_chunk(PyObject *self, PyObject *args) {
    PyObject *bytes;
    long long start, stop, by, column_at, offset_at, offset_length;
    (void)self;
    if (!PyArg_ParseTuple(args, "SLLLLLL:moved_chunk", &bytes, &start, &stop, &by, &column_at, &offset_at, &offset_length))
        return NULL;
    Reader chunk = {(const uint8_t *)PyBytes_AsString(bytes), 0, PyBytes_Size(bytes), 0};
    Writer writer = {NULL, 0, 0};
    Move move = {start, stop, by, column_at, offset_at, offset_length};
    return written(&writer, move_chunk(&chunk, &writer, &move));
}
