/* Finding the bytes of each field in blocks of Avro records, and putting records together from such bytes (Avro 1.12, "Binary
   Encoding").

   What formats/avro/walk.py does by generated Python, many times faster. The module is optional: where it could not be built,
   formats/avro/splice.py does without it. It takes the plain case only: whatever is odd (damage, a number spelled in more bytes
   than it needs where that matters, deep nesting) raises Odd, and the caller goes the other way, which has the words for it.

   Every read is checked against the end of its block and every range against the end of its buffer, whatever the arguments say. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if PY_BIG_ENDIAN
#error "Avro's floats are copied into Arrow's arrays as they are; where those have another order, Python does the work"
#endif

enum kind { NOTHING, FIXED, NUMBER, TEXT, OPTIONAL, UNION, ARRAY, MAP, RECORD };
enum form { PLAIN, NULLABLE, BRANCHED };
enum type { INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, BYTES };
enum piece { COPIED, TURNED, CONSTANT, MADE };

#define INTERFACE 2           /* as in formats/compiled.py: changes with the functions' arguments and results */
#define DEEPEST 1000          /* types within types, counted in calls of step() */
#define MOST_EMPTY (1 << 24)  /* items of no bytes that a list may claim; as in walk.py */

typedef struct {
    int32_t kind;
    int64_t size;        /* FIXED: bytes; OPTIONAL: where null stands; ARRAY, MAP: the least bytes of an item */
    int64_t first, count; /* its children, in `children` */
} Node;

typedef struct {
    Node *nodes;
    int64_t *children;
    int64_t *slots; /* the node of each slot */
    int64_t slot_count;
} Layout;

typedef struct {
    int64_t start, stop, rows;
} Span; /* one block's records in a buffer */

static PyObject *Odd;

/* ---- reading */

/* The long at p, which is left behind it; 0 if it is cut off or has more than 64 bits. */
static inline int read_long(const uint8_t **p, const uint8_t *end, int64_t *value) {
    uint64_t number = 0;
    for (int shift = 0; shift < 70 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        if (shift == 63 && byte > 1)
            return 0;
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
            return 1;
        }
    }
    return 0;
}

static inline int skip_text(const uint8_t **p, const uint8_t *end) {
    int64_t length;
    if (*p < end && **p < 0x80 && !(**p & 1)) /* as almost always: shorter than 64 bytes */
        length = *(*p)++ >> 1;
    else if (!read_long(p, end, &length) || length < 0)
        return 0;
    if (length > end - *p)
        return 0;
    *p += length;
    return 1;
}

static int step(const Layout *layout, int64_t node, const uint8_t **p, const uint8_t *end, int depth);

static int step_items(const Layout *layout, const Node *node, const uint8_t **p, const uint8_t *end, int depth) {
    int64_t item = layout->children[node->first], count, size;
    for (;;) {
        if (!read_long(p, end, &count))
            return 0;
        if (count == 0)
            return 1;
        if (count < 0) { /* the block says how many bytes it has */
            if (!read_long(p, end, &size) || size < 0 || size > end - *p)
                return 0;
            *p += size;
            continue;
        }
        if (count > (node->size ? (end - *p) / node->size : MOST_EMPTY))
            return 0;
        if (!node->size && node->kind == ARRAY)
            count = 1; /* what may have no bytes never has any */
        while (count--) {
            if (node->kind == MAP && !skip_text(p, end))
                return 0;
            if (!step(layout, item, p, end, depth + 1))
                return 0;
        }
    }
}

/* Steps over one value; 0 where that is odd. */
static int step(const Layout *layout, int64_t index, const uint8_t **p, const uint8_t *end, int depth) {
    const Node *node = &layout->nodes[index];
    int64_t number;
    if (depth > DEEPEST)
        return 0;
    switch (node->kind) {
    case NOTHING:
        return 1;
    case FIXED:
        if (node->size > end - *p)
            return 0;
        *p += node->size;
        return 1;
    case NUMBER:
        if (*p < end && **p < 0x80) {
            ++*p;
            return 1;
        }
        return read_long(p, end, &number);
    case TEXT:
        return skip_text(p, end);
    case OPTIONAL:
        if (*p >= end || **p & ~2)
            return 0;
        return *(*p)++ >> 1 == node->size || step(layout, layout->children[node->first], p, end, depth + 1);
    case UNION:
        if (*p >= end || **p & 0x81 || **p >> 1 >= node->count)
            return 0;
        number = *(*p)++ >> 1;
        return step(layout, layout->children[node->first + number], p, end, depth + 1);
    case RECORD:
        for (int64_t i = 0; i < node->count; i++)
            if (!step(layout, layout->children[node->first + i], p, end, depth + 1))
                return 0;
        return 1;
    default:
        return step_items(layout, node, p, end, depth);
    }
}

/* ---- the layout of records */

static void free_layout(PyObject *capsule) {
    Layout *layout = PyCapsule_GetPointer(capsule, "layout");
    PyMem_Free(layout->nodes);
    PyMem_Free(layout->children);
    PyMem_Free(layout->slots);
    PyMem_Free(layout);
}

/* The integers of a list, `*count` of them; NULL with an exception set. */
static int64_t *integers(PyObject *list, int64_t *count) {
    Py_ssize_t length = PyList_Size(list);
    if (length < 0)
        return NULL;
    int64_t *made = PyMem_Malloc((size_t)(length + 1) * sizeof *made);
    if (!made) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < length; i++) {
        made[i] = PyLong_AsLongLong(PyList_GetItem(list, i));
        if (PyErr_Occurred()) {
            PyMem_Free(made);
            return NULL;
        }
    }
    *count = length;
    return made;
}

static int valid_layout(const Layout *layout, int64_t node_count, int64_t child_count) {
    for (int64_t i = 0; i < node_count; i++) {
        const Node *node = &layout->nodes[i];
        int64_t least_count = node->kind == OPTIONAL || node->kind == ARRAY || node->kind == MAP;
        if (node->kind < NOTHING || node->kind > RECORD || node->size < 0 || node->first < 0 || node->count < least_count ||
            node->count > child_count || node->first > child_count - node->count)
            return 0;
    }
    for (int64_t i = 0; i < child_count; i++)
        if (layout->children[i] < 0 || layout->children[i] >= node_count)
            return 0;
    for (int64_t i = 0; i < layout->slot_count; i++)
        if (layout->slots[i] < 0 || layout->slots[i] >= node_count)
            return 0;
    return 1;
}

PyDoc_STRVAR(layout_doc, "layout(nodes, children, slots) -> layout\n\n"
                         "`nodes`: kind, size, first, count of each, in one list; `slots`: the node of each slot of a record.");

static PyObject *make_layout(PyObject *self, PyObject *args) {
    PyObject *nodes, *children, *slots, *capsule = NULL;
    int64_t *flat, number_count = 0, child_count = 0;
    if (!PyArg_ParseTuple(args, "OOO", &nodes, &children, &slots))
        return NULL;
    Layout *layout = PyMem_Calloc(1, sizeof *layout);
    if (!layout)
        return PyErr_NoMemory();
    flat = integers(nodes, &number_count);
    if (flat && (layout->children = integers(children, &child_count)) && (layout->slots = integers(slots, &layout->slot_count))) {
        int64_t node_count = number_count / 4;
        if (!(layout->nodes = PyMem_Calloc((size_t)node_count + 1, sizeof *layout->nodes)))
            PyErr_NoMemory();
        else {
            for (int64_t i = 0; i < node_count; i++)
                layout->nodes[i] = (Node){(int32_t)flat[4 * i], flat[4 * i + 1], flat[4 * i + 2], flat[4 * i + 3]};
            if (valid_layout(layout, node_count, child_count))
                capsule = PyCapsule_New(layout, "layout", free_layout);
            else
                PyErr_SetString(PyExc_ValueError, "these nodes are no layout");
        }
    }
    PyMem_Free(flat);
    if (!capsule) {
        PyMem_Free(layout->nodes);
        PyMem_Free(layout->children);
        PyMem_Free(layout->slots);
        PyMem_Free(layout);
    }
    return capsule;
}

/* ---- finding */

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

/* The spans of a list of start, stop, rows; NULL with an exception set. `*rows` is the sum of theirs. */
static Span *spans_of(PyObject *list, Py_ssize_t size, int64_t *count, int64_t *rows) {
    int64_t numbers = 0;
    Span *spans = (Span *)integers(list, &numbers);
    if (!spans)
        return NULL;
    *count = numbers / 3;
    *rows = 0;
    for (int64_t i = 0; i < *count; i++) {
        Span s = spans[i];
        if (s.start < 0 || s.stop < s.start || s.stop > size || s.rows < 0 || s.rows > INT32_MAX - *rows) {
            PyErr_SetString(Odd, "a block is too large");
            PyMem_Free(spans);
            return NULL;
        }
        *rows += s.rows;
    }
    return spans;
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

/* ---- the values of one place */

/* A place of each record: from the boundary in column `from` of the offsets to that in column `to`. */
typedef struct {
    Py_buffer data, offsets;
    int64_t width, from, to, form, null, rows;
} Place;

static int take_place(Place *place) {
    place->rows = place->width > 0 ? place->offsets.len / 4 / place->width : 0;
    if (place->from < 0 || place->from >= place->width || place->to < 0 || place->to >= place->width) {
        PyErr_SetString(PyExc_ValueError, "no such place");
        return 0;
    }
    return 1;
}

static void release(Place *place) {
    PyBuffer_Release(&place->data);
    PyBuffer_Release(&place->offsets);
}

/* The bytes of the place in one record; 0 where the offsets are wrong. */
static inline int bytes_at(const Place *place, int64_t row, const uint8_t **start, const uint8_t **stop) {
    const uint32_t *offsets = (const uint32_t *)place->offsets.buf + row * place->width;
    uint32_t from = offsets[place->from], to = offsets[place->to];
    if (from > to || to > place->data.len)
        return 0;
    *start = (const uint8_t *)place->data.buf + from;
    *stop = (const uint8_t *)place->data.buf + to;
    return 1;
}

/* Steps over the index of a nullable union: 1 before a value, 0 behind a null, -1 where that is odd. */
static inline int there(const Place *place, const uint8_t **p, const uint8_t *end) {
    if (place->form == PLAIN)
        return 1;
    if (*p >= end || **p & ~2)
        return -1;
    return *(*p)++ >> 1 != place->null;
}

/* The raw of a union of several branches: its index counts the branches but null. */
static PyObject *raw_of_union(const Place *place, const uint8_t *p, const uint8_t *end) {
    if (p >= end || *p & 0x81)
        return PyErr_Format(Odd, "a union's index is odd");
    int64_t index = *p >> 1;
    if (index == place->null)
        return Py_NewRef(Py_None);
    PyObject *raw = PyBytes_FromStringAndSize(NULL, end - p); /* not of p: bytes of one byte are shared, and must not be written */
    if (raw) {
        char *out = PyBytes_AsString(raw);
        memcpy(out, p, (size_t)(end - p));
        *out = (char)((place->null >= 0 && index > place->null ? index - 1 : index) << 1);
    }
    return raw;
}

static PyObject *raw_at(const Place *place, int64_t row) {
    const uint8_t *p, *end;
    if (!bytes_at(place, row, &p, &end))
        return PyErr_Format(PyExc_ValueError, "these offsets are not of these data");
    if (place->form == BRANCHED)
        return raw_of_union(place, p, end);
    int found = there(place, &p, end);
    if (found < 0)
        return PyErr_Format(Odd, "a union's index is odd");
    return found ? PyBytes_FromStringAndSize((const char *)p, end - p) : Py_NewRef(Py_None);
}

PyDoc_STRVAR(raws_doc, "raws(data, offsets, width, from, to, form, null, first, stop) -> list\n\n"
                       "The raw values (`values.py`) of a place in the records from `first` to before `stop`; None for null.");

static PyObject *raws(PyObject *self, PyObject *args) {
    Place place;
    int64_t first, stop;
    if (!PyArg_ParseTuple(args, "y*y*LLLLLLL", &place.data, &place.offsets, &place.width, &place.from, &place.to, &place.form,
                          &place.null, &first, &stop))
        return NULL;
    PyObject *list = NULL;
    if (take_place(&place)) {
        if (first < 0 || stop < first || stop > place.rows)
            PyErr_SetString(PyExc_ValueError, "no such records");
        else
            list = PyList_New((Py_ssize_t)(stop - first));
    }
    for (int64_t row = first; list && row < stop; row++) {
        PyObject *raw = raw_at(&place, row);
        if (raw)
            PyList_SetItem(list, (Py_ssize_t)(row - first), raw);
        else
            Py_CLEAR(list);
    }
    release(&place);
    return list;
}

/* Decodes one value to `out`, the type's own form; 0 where it is odd. */
static inline int decode(int type, const uint8_t *p, const uint8_t *end, void *out) {
    int64_t number;
    switch (type) {
    case INT32:
        if (!read_long(&p, end, &number) || number < INT32_MIN || number > INT32_MAX)
            return 0;
        *(int32_t *)out = (int32_t)number;
        return p == end;
    case INT64:
        if (!read_long(&p, end, &number))
            return 0;
        *(int64_t *)out = number;
        return p == end;
    case FLOAT32:
    case FLOAT64:
        if (end - p != (type == FLOAT32 ? 4 : 8))
            return 0;
        memcpy(out, p, (size_t)(end - p));
        return 1;
    default: /* BOOLEAN */
        if (end - p != 1 || *p > 1)
            return 0;
        *(uint8_t *)out = *p;
        return 1;
    }
}

static const int SIZES[] = {4, 8, 4, 8, 1};

/* Decodes the place in all records; `valid` gets a bit each, `out` the values. The number of nulls, or -1 where a value is odd. */
static int64_t decode_all(const Place *place, int type, uint8_t *valid, uint8_t *out) {
    int64_t nulls = 0;
    const uint8_t *p, *end;
    for (int64_t row = 0; row < place->rows; row++) {
        if (!bytes_at(place, row, &p, &end))
            return -1;
        int found = there(place, &p, end);
        if (found < 0 || (found && !decode(type, p, end, out + row * SIZES[type])))
            return -1;
        valid[row >> 3] |= (uint8_t)(found << (row & 7));
        nulls += !found;
    }
    return nulls;
}

/* As decode_all, for texts: `ends` gets the end of each in `out`. */
static int64_t decode_texts(const Place *place, uint8_t *valid, int32_t *ends, uint8_t *out) {
    int64_t nulls = 0, filled = 0, length;
    const uint8_t *p, *end;
    ends[0] = 0;
    for (int64_t row = 0; row < place->rows; row++) {
        if (!bytes_at(place, row, &p, &end))
            return -1;
        int found = there(place, &p, end);
        if (found < 0 || (found && (!read_long(&p, end, &length) || length != end - p || length > INT32_MAX - filled)))
            return -1;
        if (found) {
            memcpy(out + filled, p, (size_t)length);
            filled += length;
        }
        valid[row >> 3] |= (uint8_t)(found << (row & 7));
        nulls += !found;
        ends[row + 1] = (int32_t)filled;
    }
    return nulls;
}

/* How many bytes the place has in all records. */
static int64_t bytes_of(const Place *place) {
    int64_t total = 0;
    const uint8_t *p, *end;
    for (int64_t row = 0; row < place->rows && bytes_at(place, row, &p, &end); row++)
        total += end - p;
    return total;
}

static PyObject *zeros(int64_t size) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes)
        memset(PyBytes_AsString(bytes), 0, (size_t)size);
    return bytes;
}

PyDoc_STRVAR(column_doc, "column(data, offsets, width, from, to, form, null, type) -> (nulls, validity, values, texts)\n\n"
                         "The values of a place in all records as Arrow's buffers: `values` are the offsets of `texts` for BYTES,\n"
                         "one byte a value for BOOLEAN. Raises Odd for a value that is not of the type.");

static PyObject *column(PyObject *self, PyObject *args) {
    Place place;
    int type;
    int64_t nulls = -1;
    if (!PyArg_ParseTuple(args, "y*y*LLLLLi", &place.data, &place.offsets, &place.width, &place.from, &place.to, &place.form,
                          &place.null, &type))
        return NULL;
    PyObject *valid = NULL, *values = NULL, *texts = NULL, *result = NULL;
    if (type < INT32 || type > BYTES || place.form == BRANCHED)
        PyErr_SetString(PyExc_ValueError, "no such type");
    else if (take_place(&place) && (valid = zeros((place.rows + 7) / 8))) {
        values = zeros(type == BYTES ? 4 * (place.rows + 1) : SIZES[type] * place.rows);
        texts = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(type == BYTES ? bytes_of(&place) : 0));
    }
    if (values && texts) {
        uint8_t *bits = (uint8_t *)PyBytes_AsString(valid), *out = (uint8_t *)PyBytes_AsString(values);
        uint8_t *text = (uint8_t *)PyBytes_AsString(texts);
        Py_BEGIN_ALLOW_THREADS
        nulls = type == BYTES ? decode_texts(&place, bits, (int32_t *)out, text) : decode_all(&place, type, bits, out);
        Py_END_ALLOW_THREADS
        if (nulls < 0)
            PyErr_SetString(Odd, "a value is odd");
        else
            result = Py_BuildValue("LOOO", (long long)nulls, valid, values, texts);
    }
    Py_XDECREF(valid);
    Py_XDECREF(values);
    Py_XDECREF(texts);
    release(&place);
    return result;
}

/* ---- writing */

static inline uint8_t *write_long(uint8_t *out, int64_t value) {
    uint64_t number = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    while (number > 0x7F) {
        *out++ = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    *out++ = (uint8_t)number;
    return out;
}

/* Arrow's buffers of one column, and how its values are written. */
typedef struct {
    Py_buffer valid, values, texts;
    int64_t rows, skipped; /* `skipped` values stand in front of the first */
    int64_t null;          /* where null stands in the union; -1: no union */
    int type;
} Column;

static inline int bit(const Py_buffer *bits, int64_t i) { return ((const uint8_t *)bits->buf)[i >> 3] >> (i & 7) & 1; }

/* Are all buffers as long as they must be? */
static int valid_column(const Column *c) {
    if (c->rows < 0 || c->skipped < 0 || c->rows > INT32_MAX || c->skipped > INT32_MAX - c->rows)
        return 0;
    int64_t rows = c->rows + c->skipped, size = c->type == BYTES ? 4 * (rows + 1) : SIZES[c->type] * rows;
    if (c->type == BOOLEAN)
        size = (rows + 7) / 8;
    if (c->values.len < size || (c->valid.len && c->valid.len < (rows + 7) / 8))
        return 0;
    const int32_t *ends = c->values.buf;
    for (int64_t i = c->skipped; c->type == BYTES && i < rows; i++)
        if (ends[i] < 0 || ends[i + 1] < ends[i] || ends[i + 1] > c->texts.len)
            return 0;
    return 1;
}

static inline uint8_t *write_value(const Column *c, int64_t i, uint8_t *out) {
    const uint8_t *values = c->values.buf;
    switch (c->type) {
    case INT32:
        return write_long(out, ((const int32_t *)values)[i]);
    case INT64:
        return write_long(out, ((const int64_t *)values)[i]);
    case FLOAT32:
    case FLOAT64:
        memcpy(out, values + i * SIZES[c->type], (size_t)SIZES[c->type]);
        return out + SIZES[c->type];
    case BOOLEAN:
        *out++ = (uint8_t)bit(&c->values, i);
        return out;
    default: {
        const int32_t *ends = (const int32_t *)values;
        size_t length = (size_t)(ends[i + 1] - ends[i]);
        out = write_long(out, (int64_t)length);
        memcpy(out, (const uint8_t *)c->texts.buf + ends[i], length);
        return out + length;
    }
    }
}

/* Writes all values; the end of each goes to `ends`. How many bytes; -1 for a null where none may be. */
static int64_t write_column(const Column *c, uint8_t *out, uint32_t *ends) {
    uint8_t *p = out;
    for (int64_t row = 0; row < c->rows; row++) {
        int64_t i = row + c->skipped;
        if (c->valid.len && !bit(&c->valid, i)) {
            if (c->null < 0)
                return -1;
            *p++ = (uint8_t)(c->null << 1);
        } else {
            if (c->null >= 0)
                *p++ = (uint8_t)((1 - c->null) << 1);
            p = write_value(c, i, p);
        }
        ends[row] = (uint32_t)(p - out);
    }
    return p - out;
}

PyDoc_STRVAR(encoded_doc,
             "encoded(type, rows, skipped, null, validity, values, texts) -> (data, ends)\n\n"
             "Arrow's buffers (empty where there is none) as they stand in records: all values, and uint32s with the end of each;\n"
             "what is behind the last end counts for nothing. `skipped` values stand in front of the first. `null`: where null\n"
             "stands in the union, -1 where there is none. Raises Odd.");

static PyObject *encoded(PyObject *self, PyObject *args) {
    Column c;
    if (!PyArg_ParseTuple(args, "iLLLy*y*y*", &c.type, &c.rows, &c.skipped, &c.null, &c.valid, &c.values, &c.texts))
        return NULL;
    PyObject *data = NULL, *ends = NULL, *result = NULL;
    if (c.type < INT32 || c.type > BYTES || c.null < -1 || c.null > 1 || !valid_column(&c))
        PyErr_SetString(PyExc_ValueError, "no such column");
    else if (12 * c.rows > INT32_MAX)
        PyErr_SetString(Odd, "a block is too large");
    else {
        const int32_t *text_ends = c.values.buf;
        int64_t texts = c.type == BYTES && c.rows ? text_ends[c.skipped + c.rows] - text_ends[c.skipped] : 0;
        data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(12 * c.rows + texts)); /* an index, and 10 bytes or a length and a text */
        ends = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(4 * c.rows));
    }
    if (data && ends) {
        int64_t size = write_column(&c, (uint8_t *)PyBytes_AsString(data), (uint32_t *)PyBytes_AsString(ends));
        if (size < 0)
            PyErr_SetString(Odd, "a null where none may be");
        else
            result = Py_BuildValue("(OO)", data, ends);
    }
    Py_XDECREF(data);
    Py_XDECREF(ends);
    PyBuffer_Release(&c.valid);
    PyBuffer_Release(&c.values);
    PyBuffer_Release(&c.texts);
    return result;
}

PyDoc_STRVAR(joined_doc, "joined(list of bytes) -> (data, ends)\n\nAs `encoded`, of values that are bytes already.");

static PyObject *joined(PyObject *self, PyObject *list) {
    PyObject *data = NULL, *ends = NULL, *result = NULL;
    Py_ssize_t count = PyList_Size(list), total = 0, size;
    char *bytes;
    if (count < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++, total += size) {
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &bytes, &size) < 0)
            return NULL;
        if (size > UINT32_MAX - total) {
            PyErr_SetString(Odd, "the values are too large");
            return NULL;
        }
    }
    data = PyBytes_FromStringAndSize(NULL, total);
    ends = PyBytes_FromStringAndSize(NULL, 4 * count);
    if (data && ends) {
        char *out = PyBytes_AsString(data);
        uint32_t *end = (uint32_t *)PyBytes_AsString(ends);
        total = 0;
        for (Py_ssize_t i = 0; i < count; i++) {
            PyBytes_AsStringAndSize(PyList_GetItem(list, i), &bytes, &size);
            memcpy(out + total, bytes, (size_t)size);
            total += size;
            end[i] = (uint32_t)total;
        }
        result = Py_BuildValue("(OO)", data, ends);
    }
    Py_XDECREF(data);
    Py_XDECREF(ends);
    return result;
}

/* ---- putting together */

/* Where a piece's bytes are in one record. */
typedef struct {
    int kind;
    int64_t from, to;       /* COPIED, TURNED: columns of the offsets */
    Py_buffer data, ends;   /* CONSTANT: the bytes; MADE: all values, and the end of each */
} Piece;

typedef struct {
    Py_buffer data, offsets;
    int64_t width, rows, piece_count;
    Piece *pieces;
} Assembly;

/* The bytes of a piece in one record; 0 where the arguments are wrong. */
static inline int piece_at(const Assembly *a, const Piece *piece, int64_t row, const uint8_t **start, int64_t *size) {
    uint32_t from = 0, to;
    const Py_buffer *data = &piece->data;
    if (piece->kind == CONSTANT) {
        *start = data->buf;
        *size = data->len;
        return 1;
    }
    if (piece->kind == MADE) {
        const uint32_t *ends = piece->ends.buf;
        from = row ? ends[row - 1] : 0;
        to = ends[row];
    } else {
        const uint32_t *offsets = (const uint32_t *)a->offsets.buf + row * a->width;
        data = &a->data;
        from = offsets[piece->from];
        to = offsets[piece->to];
    }
    *start = (const uint8_t *)data->buf + from;
    *size = (int64_t)to - from;
    return from <= to && to <= data->len && (piece->kind != TURNED || from < to);
}

/* How many bytes the records have; -1 where the arguments are wrong. */
static int64_t assembled_size(const Assembly *a, int64_t first, int64_t stop) {
    int64_t total = 0, size;
    const uint8_t *start;
    for (int64_t row = first; row < stop; row++)
        for (int64_t k = 0; k < a->piece_count; k++) {
            if (!piece_at(a, &a->pieces[k], row, &start, &size) || size > PY_SSIZE_T_MAX - total)
                return -1;
            total += size;
        }
    return total;
}

/* Writes the records; what is next to each other in the source is copied at once, from one record to the next as well. */
static void assemble_records(const Assembly *a, int64_t first, int64_t stop, uint8_t *out) {
    const uint8_t *start, *from = NULL; /* what is to be copied next, `waiting` bytes of it */
    int64_t size, waiting = 0;
    for (int64_t row = first; row < stop; row++)
        for (int64_t k = 0; k < a->piece_count; k++) {
            const Piece *piece = &a->pieces[k];
            piece_at(a, piece, row, &start, &size);
            if (piece->kind == COPIED && waiting && start == from + waiting) {
                waiting += size;
                continue;
            }
            if (waiting)
                memcpy(out, from, (size_t)waiting);
            out += waiting;
            from = start;
            waiting = size;
            if (piece->kind == TURNED) {
                memcpy(out, start, (size_t)size);
                *out ^= 2; /* the other branch of two */
                out += size;
                waiting = 0;
            }
        }
    if (waiting)
        memcpy(out, from, (size_t)waiting);
}

static void free_pieces(Assembly *a) {
    for (int64_t k = 0; a->pieces && k < a->piece_count; k++) {
        PyBuffer_Release(&a->pieces[k].data);
        PyBuffer_Release(&a->pieces[k].ends);
    }
    PyMem_Free(a->pieces);
}

/* One piece of (COPIED or TURNED, from, to), (CONSTANT, bytes) or (MADE, data, ends). */
static int take_piece(const Assembly *a, PyObject *tuple, Piece *piece) {
    PyObject *first = PyTuple_GetItem(tuple, 0);
    long kind = first ? PyLong_AsLong(first) : -1;
    if (PyErr_Occurred())
        return 0;
    piece->kind = (int)kind;
    if (kind == CONSTANT)
        return PyArg_ParseTuple(tuple, "iy*", &piece->kind, &piece->data);
    if (kind == MADE) {
        if (!PyArg_ParseTuple(tuple, "iy*y*", &piece->kind, &piece->data, &piece->ends))
            return 0;
        if (piece->ends.len / 4 >= a->rows)
            return 1;
    } else if (kind == COPIED || kind == TURNED) {
        if (!PyArg_ParseTuple(tuple, "iLL", &piece->kind, &piece->from, &piece->to))
            return 0;
        if (piece->from >= 0 && piece->from < a->width && piece->to >= 0 && piece->to < a->width)
            return a->offsets.len / 4 / a->width >= a->rows || (PyErr_SetString(PyExc_ValueError, "too few offsets"), 0);
    }
    PyErr_SetString(PyExc_ValueError, "no such piece");
    return 0;
}

PyDoc_STRVAR(assemble_doc, "assemble(data, offsets, width, spans, pieces) -> list of bytes\n\n"
                           "The new records of each span. `pieces` are tuples: (COPIED or TURNED, from, to), by columns of the offsets;\n"
                           "(CONSTANT, bytes); (MADE, data, ends).");

static PyObject *assemble(PyObject *self, PyObject *args) {
    Assembly a = {.pieces = NULL};
    PyObject *span_list, *piece_list, *list = NULL;
    int64_t span_count = 0, row = 0;
    if (!PyArg_ParseTuple(args, "y*y*LOO", &a.data, &a.offsets, &a.width, &span_list, &piece_list))
        return NULL;
    Span *spans = spans_of(span_list, a.data.len, &span_count, &a.rows);
    Py_ssize_t count = spans ? PyList_Size(piece_list) : -1;
    if (count >= 0 && !(a.pieces = PyMem_Calloc((size_t)count + 1, sizeof *a.pieces)))
        PyErr_NoMemory();
    while (a.pieces && a.piece_count < count && take_piece(&a, PyList_GetItem(piece_list, a.piece_count), &a.pieces[a.piece_count]))
        a.piece_count++;
    if (a.pieces && a.piece_count == count)
        list = PyList_New((Py_ssize_t)span_count);
    else if (a.pieces)
        a.piece_count++; /* the one that failed may hold a buffer */
    for (int64_t i = 0; list && i < span_count; i++) {
        int64_t size = assembled_size(&a, row, row + spans[i].rows);
        PyObject *made = size < 0 ? PyErr_Format(PyExc_ValueError, "these offsets are not of these data")
                                  : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        if (made) {
            uint8_t *out = (uint8_t *)PyBytes_AsString(made);
            Py_BEGIN_ALLOW_THREADS
            assemble_records(&a, row, row + spans[i].rows, out);
            Py_END_ALLOW_THREADS
            PyList_SetItem(list, (Py_ssize_t)i, made);
        } else
            Py_CLEAR(list);
        row += spans[i].rows;
    }
    free_pieces(&a);
    PyMem_Free(spans);
    PyBuffer_Release(&a.data);
    PyBuffer_Release(&a.offsets);
    return list;
}

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
