/* Values that are taken out of lines on the way, as they are written, for others to compute with. Part of `_json_edits.c`.
 *
 * A column has one value of each line, as Arrow lays out binary columns: where each begins in the data, and of what kind it is.
 * Texts without escapes stand there without their quotes.
 */
#ifndef INSTAR_PROOF_JSON_TAKEN_H
#define INSTAR_PROOF_JSON_TAKEN_H
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "_json_grammar.h"

enum { MISSING, IS_NULL, BOOLEAN, INTEGER, NUMBER, TEXT, ESCAPED, NESTED }; /* kinds; of a number's texts the plain integers */
enum { MOST_ROWS = 1 << 14, MOST_DATA = 1 << 22, LONGEST = 300 };

typedef struct {
    Text from, to; /* of the line at hand; NULL where it has none */
    char *data;
    size_t size, room;
    int32_t *starts;
    unsigned char *kinds;
} Column;

typedef struct {
    Column *columns;
    Py_ssize_t count, rows;
    int full; /* there is room for no further line */
} Taken;

static int kind_of(Text from, Text to)
{
    Text p = from;
    switch (*p) {
    case '"':
        return memchr(from, '\\', (size_t)(to - from)) ? ESCAPED : TEXT;
    case '{':
    case '[':
        return NESTED;
    case 't':
    case 'f':
        return BOOLEAN;
    case 'n':
        return IS_NULL;
    }
    if (*p == '-')
        p++;
    if (p == to || to - p > LONGEST || (*p == '0' && to - from > 1))
        return NUMBER;
    while (p < to && *p >= '0' && *p <= '9')
        p++;
    return p == to ? INTEGER : NUMBER;
}

static int taken_begun(Taken *taken, Py_ssize_t count)
{
    taken->columns = calloc((size_t)count + 1, sizeof *taken->columns);
    if (!taken->columns)
        return 0;
    taken->count = count;
    for (Column *c = taken->columns; c < taken->columns + count; c++) {
        c->starts = calloc(MOST_ROWS + 1, sizeof *c->starts);
        c->kinds = calloc(MOST_ROWS, 1);
        if (!c->starts || !c->kinds)
            return 0;
    }
    return 1;
}

static void taken_freed(Taken *taken)
{
    for (Column *c = taken->columns; c && c < taken->columns + taken->count; c++) {
        free(c->data);
        free(c->starts);
        free(c->kinds);
    }
    free(taken->columns);
}

static inline void taken_line_begins(Taken *taken)
{
    for (Column *c = taken->columns; c < taken->columns + taken->count; c++)
        c->from = c->to = NULL;
}

/* `which`: the column, or -1. */
static inline void take(Taken *taken, Py_ssize_t which, Text from, Text to)
{
    if (which >= 0) {
        taken->columns[which].from = from;
        taken->columns[which].to = to;
    }
}

static int has_room(Column *c, size_t more)
{
    if (more > INT32_MAX - c->size)
        return 0;
    if (c->room - c->size >= more)
        return 1;
    size_t room = c->room ? c->room : 1 << 16;
    while (room - c->size < more)
        room *= 2;
    char *data = realloc(c->data, room);
    if (!data)
        return 0;
    c->data = data;
    c->room = room;
    return 1;
}

static inline size_t taken_size(const Column *c)
{
    return c->from ? (size_t)(c->to - c->from) : 0;
}

/* What was taken out of the line comes to stand in the columns; 0 where there is no memory for it, and then in none of them. */
static int taken_line_ends(Taken *taken)
{
    for (Column *c = taken->columns; c < taken->columns + taken->count; c++)
        if (!has_room(c, taken_size(c)))
            return 0;
    for (Column *c = taken->columns; c < taken->columns + taken->count; c++) {
        int kind = c->from ? kind_of(c->from, c->to) : MISSING, quotes = kind == TEXT;
        size_t size = taken_size(c) - 2 * (size_t)quotes;
        if (size)
            memcpy(c->data + c->size, c->from + quotes, size);
        c->kinds[taken->rows] = (unsigned char)kind;
        c->size += size;
        c->starts[taken->rows + 1] = (int32_t)c->size;
        taken->full |= c->size >= MOST_DATA;
    }
    taken->rows++;
    taken->full |= taken->count && taken->rows == MOST_ROWS;
    if (!taken->count)
        taken->rows = 0;
    return 1;
}

/* → of each column the kinds, where its values begin, and the data; the columns are empty then. */
static PyObject *taken_told(Taken *taken)
{
    PyObject *told = PyTuple_New(taken->count);
    for (Py_ssize_t i = 0; told && i < taken->count; i++) {
        Column *c = &taken->columns[i];
        PyObject *each = Py_BuildValue("y#y#y#", c->kinds, taken->rows, c->starts,
                                       (taken->rows + 1) * (Py_ssize_t)sizeof *c->starts, c->data ? c->data : "", (Py_ssize_t)c->size);
        if (!each || PyTuple_SetItem(told, i, each) < 0) {
            Py_DECREF(told);
            return NULL;
        }
    }
    if (told) {
        for (Column *c = taken->columns; c < taken->columns + taken->count; c++)
            c->size = 0;
        taken->rows = taken->full = 0;
    }
    return told;
}

#endif
