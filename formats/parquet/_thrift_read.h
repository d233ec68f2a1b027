/* Reading thrift's compact protocol: its numbers, and passing what is not looked at. Every read is checked against the end of the data. */

#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum { TRUE_ = 1, FALSE_, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID };
#define RAW 0x100
#define DEEPEST 64

typedef struct {
    const uint8_t *data;
    Py_ssize_t at, size;
    int odd; /* not the plain case; no Python error is set then */
} Reader;

/* ---- reading; each returns 0 where the data is odd */
static int read_byte(Reader *reader, uint8_t *byte) {
    if (reader->at >= reader->size)
        return 0;
    *byte = reader->data[reader->at++];
    return 1;
}

static int read_varint(Reader *reader, uint64_t *number) {
    uint8_t byte;
    *number = 0;
    for (int shift = 0; shift < 63; shift += 7) { /* nine bytes: 63 bits */
        if (!read_byte(reader, &byte))
            return 0;
        *number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return 1;
    }
    if (!read_byte(reader, &byte) || byte > 1)
        return 0;
    *number |= (uint64_t)byte << 63;
    return 1;
}

static int64_t unzigzag(uint64_t number) { return (int64_t)(number >> 1) ^ -(int64_t)(number & 1); }

static int take(Reader *reader, uint64_t count) {
    if (count > (uint64_t)(reader->size - reader->at))
        return 0;
    reader->at += (Py_ssize_t)count;
    return 1;
}

/* A list's element type and length. */
static int read_header(Reader *reader, uint8_t *kind, uint64_t *count) {
    uint8_t byte;
    if (!read_byte(reader, &byte))
        return 0;
    *kind = byte & 15;
    *count = byte >> 4;
    if (*count == 15 && !read_varint(reader, count))
        return 0;
    return *kind <= UUID && *count <= (uint64_t)(reader->size - reader->at);
}

/* Passes a value that stays raw. */
static int skip(Reader *reader, uint8_t wire, int depth) {
    uint64_t number;
    uint8_t byte, kind;
    if (depth > DEEPEST)
        return 0;
    switch (wire) {
    case BYTE:
        return take(reader, 1);
    case I16:
    case I32:
    case I64:
        return read_varint(reader, &number);
    case DOUBLE:
        return take(reader, 8);
    case UUID:
        return take(reader, 16);
    case BINARY:
        return read_varint(reader, &number) && take(reader, number);
    case LIST:
    case SET:
        if (!read_header(reader, &kind, &number))
            return 0;
        if (kind <= BYTE)
            return take(reader, number);
        while (number--)
            if (!skip(reader, kind, depth + 1))
                return 0;
        return 1;
    case STRUCT:
        while (read_byte(reader, &byte)) {
            if (!byte)
                return 1;
            if (!(byte & 15) || (byte < 0x10 && !read_varint(reader, &number)))
                return 0;
            if ((byte & 15) > FALSE_ && !skip(reader, byte & 15, depth + 1))
                return 0;
        }
        return 0;
    default:
        return 0;
    }
}
