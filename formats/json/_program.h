/* What is done with the values of a text: the program, as Python tells it, and the plans of how each shape of objects is written. */
#ifndef INSTAR_JSON_PROGRAM
#define INSTAR_JSON_PROGRAM

#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRAM_DEPTH = 100 }; /* lists and maps within each other */

/* ---- growing arrays; a failure of memory is remembered, and told at the end */
typedef struct {
    char *data;
    size_t size, room;
} Array;

static int failed_memory(int *failed)
{
    *failed = 1;
    return 0;
}

static int reserve(Array *array, size_t more, int *failed)
{
    if (array->room - array->size >= more)
        return 1;
    if (more > (size_t)PY_SSIZE_T_MAX / 2 - array->size)
        return failed_memory(failed);
    size_t room = array->size + array->size / 2 + more + 256;
    char *data = realloc(array->data, room);
    if (!data)
        return failed_memory(failed);
    array->data = data;
    array->room = room;
    return 1;
}

static int append(Array *array, const void *data, size_t size, int *failed)
{
    if (!reserve(array, size, failed))
        return 0;
    if (size)
        memcpy(array->data + array->size, data, size);
    array->size += size;
    return 1;
}

#define AT(array, type, index) (((type *)(array)->data)[index])
#define COUNT(array, type) ((array)->size / sizeof(type))

/* ---- the program */
typedef enum { KEEP, RECORD, LIST, MAP, COMPUTE } Kind;

typedef struct Node {
    Kind kind;
    int level;         /* of RECORD and COMPUTE */
    struct Node *item; /* of LIST and MAP */
} Node;

typedef enum { RAW, OPENED, FIXED, HOLE } Source;

/* A member of a new object: the place of the old member whose spacing (and key, where `key` is NULL) it has, or -1, and its value. */
typedef struct {
    Py_ssize_t place, from; /* `from`: the old member of RAW and OPENED, the column of HOLE */
    Source source;
    const Node *node; /* of OPENED */
    char *key, *fixed;
    Py_ssize_t key_size, fixed_size;
} Op;

typedef struct {
    Op *ops;
    Py_ssize_t count;
    Py_ssize_t *inputs; /* the member that each input is, -1 where it is missing; NULL where nothing is computed */
} Plan;

typedef struct Shape {
    struct Shape *parent, *first, *next, *likely;
    char *key;
    Py_ssize_t size;
    const Node *node;
    Plan *plan;
    int planned, siblings;
} Shape;

typedef struct {
    char *name;
    Py_ssize_t size;
    Node *node;
} Key;

typedef struct {
    Key *keys;
    Py_ssize_t key_count, inputs;
    Shape *shapes;
    int shape_count;
    Array spans; /* of one scan: start and end of each input of each instance; -1 where it is missing */
    Py_ssize_t instances;
} Level;

typedef struct {
    Level *levels;
    Py_ssize_t level_count;
    Node *root;
    int busy; /* a scan is under way */
} Program;

static const Node KEPT = {KEEP, 0, NULL};

static void free_node(Node *node)
{
    while (node) {
        Node *item = node->item;
        free(node);
        node = item;
    }
}

static void free_plan(Plan *plan)
{
    if (!plan)
        return;
    for (Py_ssize_t i = 0; plan->ops && i < plan->count; i++) {
        free(plan->ops[i].key);
        free(plan->ops[i].fixed);
    }
    free(plan->ops);
    free(plan->inputs);
    free(plan);
}

static void free_shapes(Shape *shape)
{
    while (shape) { /* children first; the tree is as deep as objects have keys, so no recursion */
        if (shape->first) {
            Shape *child = shape->first;
            shape->first = child->next;
            child->parent = shape;
            shape = child;
            continue;
        }
        Shape *parent = shape->parent;
        free_plan(shape->plan);
        free(shape->key);
        free(shape);
        shape = parent;
    }
}

static void free_program(Program *program)
{
    for (Py_ssize_t i = 0; program->levels && i < program->level_count; i++) {
        Level *level = &program->levels[i];
        for (Py_ssize_t k = 0; level->keys && k < level->key_count; k++) {
            free(level->keys[k].name);
            free_node(level->keys[k].node);
        }
        free(level->keys);
        free_shapes(level->shapes);
        free(level->spans.data);
    }
    free(program->levels);
    free_node(program->root);
    free(program);
}

static void *zeroed(size_t count, size_t size)
{
    void *made = calloc(count ? count : 1, size);
    if (!made)
        PyErr_NoMemory();
    return made;
}

/* A copy of a bytes object's text. */
static char *copied(PyObject *bytes, Py_ssize_t *size)
{
    char *data;
    if (PyBytes_AsStringAndSize(bytes, &data, size) < 0)
        return NULL;
    char *copy = zeroed((size_t)*size, 1);
    if (copy && *size)
        memcpy(copy, data, (size_t)*size);
    return copy;
}

/* (kind,), (kind, level) or (kind, node); its level comes after the `last`, so that the walk goes no deeper than there are levels */
static Node *node_of(PyObject *told, Py_ssize_t last, Py_ssize_t levels, int depth)
{
    int kind;
    PyObject *argument = NULL;
    if (!PyArg_ParseTuple(told, "i|O", &kind, &argument))
        return NULL;
    if (kind < KEEP || kind > COMPUTE || (kind != KEEP) != (argument != NULL) || depth > PROGRAM_DEPTH) {
        PyErr_SetString(PyExc_ValueError, "not a node");
        return NULL;
    }
    Node *node = zeroed(1, sizeof(Node));
    if (!node)
        return NULL;
    node->kind = (Kind)kind;
    if (kind == LIST || kind == MAP) {
        node->item = node_of(argument, last, levels, depth + 1);
        if (!node->item)
            goto failed;
    } else if (kind != KEEP) {
        long level = PyLong_AsLong(argument);
        if (level <= last || level >= levels) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "no such level");
            goto failed;
        }
        node->level = (int)level;
    }
    return node;
failed:
    free_node(node);
    return NULL;
}

/* (((name, node) …), number of inputs) */
static int fill_level(Level *level, PyObject *told, Py_ssize_t number, Py_ssize_t levels)
{
    PyObject *keys;
    if (!PyArg_ParseTuple(told, "O!n", &PyTuple_Type, &keys, &level->inputs))
        return 0;
    if (level->inputs < 0 || level->inputs > 100000) {
        PyErr_SetString(PyExc_ValueError, "so many inputs there cannot be");
        return 0;
    }
    level->key_count = PyTuple_Size(keys);
    level->keys = zeroed((size_t)level->key_count, sizeof(Key));
    level->shapes = zeroed(1, sizeof(Shape));
    if (!level->keys || !level->shapes)
        return 0;
    for (Py_ssize_t i = 0; i < level->key_count; i++) {
        PyObject *name, *node;
        if (!PyArg_ParseTuple(PyTuple_GetItem(keys, i), "SO", &name, &node))
            return 0;
        if (!(level->keys[i].name = copied(name, &level->keys[i].size)) || !(level->keys[i].node = node_of(node, number, levels, 0)))
            return 0;
    }
    return 1;
}

#define CAPSULE "instar.formats.json.program"

static void program_gone(PyObject *capsule)
{
    free_program(PyCapsule_GetPointer(capsule, CAPSULE));
}

static PyObject *make_program(PyObject *module, PyObject *arguments)
{
    PyObject *levels, *root;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyTuple_Type, &levels, &PyTuple_Type, &root))
        return NULL;
    Program *program = zeroed(1, sizeof(Program));
    if (!program)
        return NULL;
    program->level_count = PyTuple_Size(levels);
    program->levels = zeroed((size_t)program->level_count, sizeof(Level));
    int made = program->levels != NULL;
    for (Py_ssize_t i = 0; made && i < program->level_count; i++)
        made = fill_level(&program->levels[i], PyTuple_GetItem(levels, i), i, program->level_count);
    program->root = made ? node_of(root, -1, program->level_count, 0) : NULL;
    PyObject *capsule = program->root ? PyCapsule_New(program, CAPSULE, program_gone) : NULL;
    if (!capsule)
        free_program(program);
    return capsule;
}

/* ---- plans */
static int fill_op(Op *op, PyObject *told, Py_ssize_t members)
{
    PyObject *key, *fixed;
    int source;
    if (!PyArg_ParseTuple(told, "nOinO", &op->place, &key, &source, &op->from, &fixed))
        return 0;
    op->source = (Source)source;
    int member = source == RAW || source == OPENED;
    if (source < RAW || source > HOLE || op->place < -1 || op->place >= members || op->from < 0 || (member && op->from >= members)
        || (key == Py_None && op->place < 0)) {
        PyErr_SetString(PyExc_ValueError, "not a member of a plan");
        return 0;
    }
    if (key != Py_None && !(op->key = copied(key, &op->key_size)))
        return 0;
    return source != FIXED || (op->fixed = copied(fixed, &op->fixed_size));
}

/* ((op …), (member of each input …) or None) */
static Plan *plan_of(PyObject *told, Py_ssize_t members, Py_ssize_t inputs)
{
    PyObject *ops, *given;
    if (!PyArg_ParseTuple(told, "O!O", &PyTuple_Type, &ops, &given))
        return NULL;
    Plan *plan = zeroed(1, sizeof(Plan));
    if (!plan)
        return NULL;
    plan->count = PyTuple_Size(ops);
    int holes = 0;
    if (!(plan->ops = zeroed((size_t)plan->count, sizeof(Op))))
        goto failed;
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        if (!fill_op(&plan->ops[i], PyTuple_GetItem(ops, i), members))
            goto failed;
        holes |= plan->ops[i].source == HOLE;
    }
    if (given != Py_None) {
        if (!(plan->inputs = zeroed((size_t)inputs, sizeof(Py_ssize_t))))
            goto failed;
        for (Py_ssize_t i = 0; i < inputs; i++) {
            PyObject *member = PyTuple_GetItem(given, i);
            Py_ssize_t number = member ? PyLong_AsSsize_t(member) : -1;
            if (PyErr_Occurred())
                goto failed;
            plan->inputs[i] = number < members ? number : -1;
        }
    } else if (holes) {
        PyErr_SetString(PyExc_ValueError, "what is computed has inputs");
        goto failed;
    }
    return plan;
failed:
    free_plan(plan);
    return NULL;
}

#endif
