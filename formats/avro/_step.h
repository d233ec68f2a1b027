/* How the bytes of a value are made up, and how one is stepped over without being decoded. */
#ifndef INSTAR_AVRO_STEP
#define INSTAR_AVRO_STEP

#include "_arguments.h"
#include "_numbers.h"

enum kind { NOTHING, FIXED, NUMBER, TEXT, OPTIONAL, UNION, ARRAY, MAP, RECORD };

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

static void free_layout(PyObject *capsule) {
    Layout *layout = PyCapsule_GetPointer(capsule, "layout");
    PyMem_Free(layout->nodes);
    PyMem_Free(layout->children);
    PyMem_Free(layout->slots);
    PyMem_Free(layout);
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

#endif
