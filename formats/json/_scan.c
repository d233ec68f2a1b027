/* A strict walk over JSON texts that finds the members of the objects a migration changes, and writes each record anew from its own
 * text: what is kept is copied, keys are renamed, members dropped and put in, and values that must be computed are left as holes.
 *
 * Python's part (`splice.py`) describes what is opened as a *program*: nodes (what is done with a value) and levels (the records that
 * are opened). An object's keys in their order are its *shape*; the first of each shape is shown to a planner in Python, which says
 * how such objects are written (its *plan*), by the same rules as when records are converted one by one.
 *
 * What this walk does not do with certainty it calls *odd*: a text that is not valid JSON in UTF-8 (RFC 8259), an escaped key, a key
 * that is twice, nesting deeper than DEEPEST, a shape without a plan. An odd record is left as one hole. No text makes it fail: every
 * read is within the bounds of the text, and memory grows with the text only.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef const unsigned char *Text;

enum { DEEPEST = 256, MOST_SHAPES = 1 << 14, MOST_SIBLINGS = 256, MOST_MAP_KEYS = 64, PROGRAM_DEPTH = 100 };

/* ---- the grammar: each function takes where a thing begins, and returns where it ends, NULL where it is not valid */
static inline Text blanks(Text p, Text end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static Text code_unit(Text p, Text end, unsigned *unit)
{
    if (end - p < 4)
        return NULL;
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = p[i], digit = c - '0';
        if (digit > 9) {
            digit = (c | 32) - 'a' + 10;
            if (digit < 10 || digit > 15)
                return NULL;
        }
        *unit = *unit << 4 | digit;
    }
    return p + 4;
}

/* From the backslash on. Half a surrogate pair is no character. */
static Text escape(Text p, Text end)
{
    unsigned high, low;
    if (end - p < 2)
        return NULL;
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return p + 2;
    case 'u':
        p = code_unit(p + 2, end, &high);
        if (!p || (high & 0xF800) != 0xD800)
            return p;
        if (high >= 0xDC00 || end - p < 2 || p[0] != '\\' || p[1] != 'u')
            return NULL;
        p = code_unit(p + 2, end, &low);
        return p && (low & 0xFC00) == 0xDC00 ? p : NULL;
    }
    return NULL;
}

/* A character of two to four bytes (RFC 3629 section 4). */
static Text wide_character(Text p, Text end)
{
    unsigned lead = *p, lowest = 0x80, highest = 0xBF;
    Py_ssize_t more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    if (lead < 0xC2 || lead > 0xF4 || end - p <= more)
        return NULL;
    if (lead == 0xE0)
        lowest = 0xA0;
    else if (lead == 0xED)
        highest = 0x9F;
    else if (lead == 0xF0)
        lowest = 0x90;
    else if (lead == 0xF4)
        highest = 0x8F;
    if (p[1] < lowest || p[1] > highest)
        return NULL;
    for (Py_ssize_t i = 2; i <= more; i++)
        if ((p[i] & 0xC0) != 0x80)
            return NULL;
    return p + more + 1;
}

#if defined(__SSE2__) && defined(__GNUC__)
#include <emmintrin.h>

/* Past characters of one byte that stand for themselves, sixteen at a time; the text ends or the last few may be left. */
static inline Text plain_characters(Text p, Text end)
{
    for (; end - p >= 16; p += 16) {
        __m128i some = _mm_loadu_si128((const __m128i *)p);
        __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(some, _mm_set1_epi8('"')), _mm_cmpeq_epi8(some, _mm_set1_epi8('\\')));
        int found = _mm_movemask_epi8(_mm_or_si128(mark, _mm_cmplt_epi8(some, _mm_set1_epi8(0x20)))); /* from 0x80 on they are negative */
        if (found)
            return p + __builtin_ctz((unsigned)found);
    }
    return p;
}
#else
#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

/* As above, eight at a time: a byte is subtracted from each, which borrows from the top bit where it was less. */
static inline Text plain_characters(Text p, Text end)
{
    for (uint64_t some; end - p >= 8; p += 8) {
        memcpy(&some, p, 8);
        uint64_t quote = some ^ EACH_BYTE('"'), slash = some ^ EACH_BYTE('\\');
        if ((some | (quote - EACH_BYTE(1)) | (slash - EACH_BYTE(1)) | (some - EACH_BYTE(0x20))) & EACH_BYTE(0x80))
            break;
    }
    return p;
}
#endif

/* From behind the opening quote to behind the closing one. */
static inline Text string(Text p, Text end)
{
    for (;;) {
        p = plain_characters(p, end);
        while (p < end && *p != '"' && *p != '\\' && *p >= 0x20 && *p < 0x80)
            p++;
        if (p == end || *p < 0x20)
            return NULL;
        if (*p == '"')
            return p + 1;
        p = *p == '\\' ? escape(p, end) : wide_character(p, end);
        if (!p)
            return NULL;
    }
}

static inline Text digits(Text p, Text end)
{
    Text start = p;
    while (p < end && (unsigned)(*p - '0') < 10)
        p++;
    return p > start ? p : NULL;
}

static inline Text number(Text p, Text end)
{
    if (p < end && *p == '-')
        p++;
    p = p < end && *p == '0' ? p + 1 : digits(p, end);
    if (p && p < end && *p == '.')
        p = digits(p + 1, end);
    if (p && p < end && (*p | 32) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = digits(p, end);
    }
    return p;
}

static inline Text word(Text p, Text end, const char *letters, Py_ssize_t size)
{
    return end - p >= size && !memcmp(p, letters, (size_t)size) ? p + size : NULL;
}

/* A value of any kind, without recursion: a bit for each container around tells whether it is an object. */
static Text value(Text p, Text end)
{
    uint64_t objects[DEEPEST / 64];
    int depth = 0;

begin:
    if (p == end)
        return NULL;
    switch (*p) {
    case '"':
        p = string(p + 1, end);
        break;
    case '{': case '[': {
        int object = *p == '{';
        p = blanks(p + 1, end);
        if (p < end && *p == (object ? '}' : ']')) {
            p++;
            break;
        }
        if (depth == DEEPEST)
            return NULL;
        uint64_t bit = UINT64_C(1) << (depth % 64);
        objects[depth / 64] = object ? objects[depth / 64] | bit : objects[depth / 64] & ~bit;
        depth++;
        if (object)
            goto key;
        goto begin;
    }
    case 't':
        p = word(p, end, "true", 4);
        break;
    case 'f':
        p = word(p, end, "false", 5);
        break;
    case 'n':
        p = word(p, end, "null", 4);
        break;
    default:
        p = number(p, end);
    }
    if (!p)
        return NULL;

finished:
    if (!depth)
        return p;
    int object = objects[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
    p = blanks(p, end);
    if (p == end)
        return NULL;
    if (*p == ',') {
        p = blanks(p + 1, end);
        if (object)
            goto key;
        goto begin;
    }
    if (*p != (object ? '}' : ']'))
        return NULL;
    p++;
    depth--;
    goto finished;

key:
    if (p == end || *p != '"' || !(p = string(p + 1, end)))
        return NULL;
    p = blanks(p, end);
    if (p == end || *p != ':')
        return NULL;
    p = blanks(p + 1, end);
    goto begin;
}

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

/* ---- one scan */
#define SPAN ((Py_ssize_t)(2 * sizeof(int64_t))) /* where a record begins and ends */

typedef struct {
    Py_ssize_t key, key_end, value, value_end, child;
} Member; /* `child`: an instance, NONE, or for an element that is computed COMPUTED - its number */

enum { NONE = -1, COMPUTED = -2 };

typedef struct {
    Kind kind;
    Py_ssize_t start, end, first, count, number;
    int level;
    Shape *shape;
} Instance;

/* A piece of the new text: of the old one, or (`at` is -1 - its place) of the `extra` texts; `size` -1: what hole number `at` gets. */
typedef struct {
    Py_ssize_t at, size;
} Piece;

typedef struct {
    int level; /* -1: a whole record */
    Py_ssize_t number, column, record;
} Hole;

typedef struct {
    Program *program;
    Text text, end; /* of the record */
    PyObject *planner, *error[3];
    PyThreadState *thread;
    Array stack, members, instances, pieces, extra, holes, odd;
    Piece piece; /* the last, which may still grow */
    Py_ssize_t record;
    int failed;
} Scan;

static Text node_value(Scan *s, const Node *node, Text p, Py_ssize_t *child);

/* The shape with one more key; NULL where there are too many, or the key is odd. */
static Shape *longer(Level *level, Shape *shape, Text key, Py_ssize_t size, int *failed)
{
    for (Shape *each = shape->first; each; each = each->next)
        if (each->size == size && !memcmp(each->key, key, (size_t)size))
            return each;
    if (memchr(key, '\\', (size_t)size) || level->shape_count >= MOST_SHAPES || shape->siblings >= MOST_SIBLINGS)
        return NULL;
    for (Shape *each = shape; each->parent; each = each->parent)
        if (each->size == size && !memcmp(each->key, key, (size_t)size))
            return NULL;
    Shape *made = calloc(1, sizeof(Shape));
    if (!made || !(made->key = calloc((size_t)size + 1, 1))) {
        free(made);
        failed_memory(failed);
        return NULL;
    }
    memcpy(made->key, key, (size_t)size);
    made->size = size;
    made->node = &KEPT;
    for (Py_ssize_t i = 0; i < level->key_count; i++)
        if (level->keys[i].size == size && !memcmp(level->keys[i].name, key, (size_t)size))
            made->node = level->keys[i].node;
    made->parent = shape;
    made->next = shape->first;
    shape->first = made;
    shape->siblings++;
    level->shape_count++;
    return made;
}

/* What is done with the value of the key that comes `back` keys before the shape's last. */
static const Node *node_at(const Shape *shape, Py_ssize_t back)
{
    while (shape->parent && back-- > 0)
        shape = shape->parent;
    return shape->node;
}

/* The planner is asked once for each shape: a tuple of its keys' texts → a plan, or None. */
static Plan *ask(Scan *s, int number, Shape *shape)
{
    Level *level = &s->program->levels[number];
    Py_ssize_t members = 0;
    for (Shape *each = shape; each->parent; each = each->parent)
        members++;
    Plan *plan = NULL;
    PyObject *keys = PyTuple_New(members), *told = NULL;
    Py_ssize_t at = members;
    for (Shape *each = shape; keys && each->parent; each = each->parent) {
        PyObject *key = PyUnicode_DecodeUTF8(each->key, each->size, "strict");
        if (!key || PyTuple_SetItem(keys, --at, key) < 0)
            Py_CLEAR(keys);
    }
    if (keys)
        told = PyObject_CallFunction(s->planner, "iO", number, keys);
    if (told && told != Py_None && (plan = plan_of(told, members, level->inputs)))
        for (Py_ssize_t i = 0; i < plan->count; i++)
            plan->ops[i].node = node_at(shape, members - 1 - plan->ops[i].from);
    Py_XDECREF(keys);
    Py_XDECREF(told);
    return plan;
}

static Plan *plan_for(Scan *s, int level, Shape *shape)
{
    if (!shape->planned && !s->failed) {
        PyEval_RestoreThread(s->thread);
        shape->plan = ask(s, level, shape);
        if (PyErr_Occurred()) {
            PyErr_Fetch(&s->error[0], &s->error[1], &s->error[2]);
            s->failed = 1;
        }
        shape->planned = 1;
        s->thread = PyEval_SaveThread();
    }
    return shape->plan;
}

static int add_input(Level *level, Py_ssize_t start, Py_ssize_t end, int *failed)
{
    Py_ssize_t span[2] = {start, end};
    return append(&level->spans, span, sizeof span, failed);
}

/* The members on top of the stack become those of a new instance. */
static Py_ssize_t add_instance(Scan *s, Instance *made, size_t base)
{
    made->first = (Py_ssize_t)COUNT(&s->members, Member);
    made->count = (Py_ssize_t)((s->stack.size - base) / sizeof(Member));
    Py_ssize_t number = (Py_ssize_t)COUNT(&s->instances, Instance);
    if (!append(&s->members, s->stack.data + base, s->stack.size - base, &s->failed)
        || !append(&s->instances, made, sizeof *made, &s->failed))
        return NONE;
    s->stack.size = base;
    return number;
}

static int after_value(Text *p, Text end, int close)
{
    *p = blanks(*p, end);
    if (*p == end)
        return -1;
    int mark = *(*p)++;
    if (mark == close)
        return 0;
    *p = blanks(*p, end);
    return mark == ',' ? 1 : -1;
}

static Text record_value(Scan *s, int number, Text p, Py_ssize_t *child)
{
    Level *level = &s->program->levels[number];
    Shape *shape = level->shapes;
    Instance made = {RECORD, p - s->text, 0, 0, 0, NONE, number, NULL};
    size_t base = s->stack.size;
    Text end = s->end;
    p = blanks(p + 1, end);
    if (p < end && *p == '}')
        p++;
    else
        for (int more = 1; more;) {
            Member member = {p - s->text, 0, 0, 0, NONE};
            if (p == end || *p != '"')
                return NULL;
            Shape *next = shape->likely;
            if (next && end - p >= next->size + 2 && p[next->size + 1] == '"' && !memcmp(p + 1, next->key, (size_t)next->size))
                p += next->size + 2;
            else {
                Text key = p + 1;
                p = string(key, end);
                if (!p || !(next = longer(level, shape, key, p - 1 - key, &s->failed)))
                    return NULL;
                shape->likely = next;
            }
            shape = next;
            member.key_end = p - s->text;
            p = blanks(p, end);
            if (p == end || *p != ':')
                return NULL;
            p = blanks(p + 1, end);
            member.value = p - s->text;
            p = shape->node->kind == KEEP ? value(p, end) : node_value(s, shape->node, p, &member.child);
            if (!p)
                return NULL;
            member.value_end = p - s->text;
            if (!append(&s->stack, &member, sizeof member, &s->failed))
                return NULL;
            more = after_value(&p, end, '}');
            if (more < 0)
                return NULL;
        }
    Plan *plan = plan_for(s, number, shape);
    if (!plan)
        return NULL;
    made.end = p - s->text;
    made.shape = shape;
    if (plan->inputs) {
        made.number = level->instances++;
        Member *members = (Member *)(s->stack.data + base);
        for (Py_ssize_t i = 0; i < level->inputs; i++) {
            Py_ssize_t m = plan->inputs[i];
            if (!add_input(level, m < 0 ? -1 : members[m].value, m < 0 ? -1 : members[m].value_end, &s->failed))
                return NULL;
        }
    }
    *child = add_instance(s, &made, base);
    return s->failed ? NULL : p;
}

static int key_is_twice(Scan *s, size_t base, const Member *member)
{
    for (size_t at = base; at < s->stack.size; at += sizeof(Member)) {
        Member *other = (Member *)(s->stack.data + at);
        Py_ssize_t size = member->key_end - member->key;
        if (other->key_end - other->key == size && !memcmp(s->text + other->key, s->text + member->key, (size_t)size))
            return 1;
    }
    return 0;
}

/* The elements of a list, or the values of a map, whose keys must differ. */
static Text items_value(Scan *s, const Node *node, Text p, Py_ssize_t *child)
{
    int map = node->kind == MAP;
    Instance made = {node->kind, p - s->text, 0, 0, 0, NONE, 0, NULL};
    size_t base = s->stack.size;
    Text end = s->end;
    p = blanks(p + 1, end);
    if (p < end && *p == (map ? '}' : ']'))
        p++;
    else
        for (int more = 1; more;) {
            Member member = {p - s->text, 0, 0, 0, NONE};
            if (map) {
                if (p == end || *p != '"' || !(p = string(p + 1, end)))
                    return NULL;
                member.key_end = p - s->text;
                if (s->stack.size - base >= MOST_MAP_KEYS * sizeof(Member) || key_is_twice(s, base, &member)
                    || memchr(s->text + member.key, '\\', (size_t)(member.key_end - member.key)))
                    return NULL;
                p = blanks(p, end);
                if (p == end || *p != ':')
                    return NULL;
                p = blanks(p + 1, end);
            }
            member.value = p - s->text;
            p = node_value(s, node->item, p, &member.child);
            if (!p)
                return NULL;
            member.value_end = p - s->text;
            if ((map || member.child != NONE) && !append(&s->stack, &member, sizeof member, &s->failed))
                return NULL;
            more = after_value(&p, end, map ? '}' : ']');
            if (more < 0)
                return NULL;
        }
    made.end = p - s->text;
    *child = add_instance(s, &made, base);
    return s->failed ? NULL : p;
}

/* A value by its node; null stays, and a value that is not of the node's kind is odd. */
static Text node_value(Scan *s, const Node *node, Text p, Py_ssize_t *child)
{
    *child = NONE;
    if (node->kind == KEEP)
        return value(p, s->end);
    if (node->kind == COMPUTE) {
        Level *level = &s->program->levels[node->level];
        Text end = value(p, s->end);
        if (!end || level->inputs != 1 || !add_input(level, p - s->text, end - s->text, &s->failed))
            return NULL;
        *child = COMPUTED - level->instances++;
        return end;
    }
    if (p < s->end && *p == 'n')
        return word(p, s->end, "null", 4);
    if (p == s->end || *p != (node->kind == LIST ? '[' : '{'))
        return NULL;
    return node->kind == RECORD ? record_value(s, node->level, p, child) : items_value(s, node, p, child);
}

/* ---- writing: what the new text consists of */
static void finish_piece(Scan *s)
{
    if (s->piece.size > 0)
        append(&s->pieces, &s->piece, sizeof s->piece, &s->failed);
    s->piece.size = 0;
}

static inline void copy(Scan *s, Py_ssize_t start, Py_ssize_t end)
{
    if (s->piece.size && s->piece.at >= 0 && start == s->piece.at + s->piece.size) {
        s->piece.size = end - s->piece.at;
        return;
    }
    finish_piece(s);
    s->piece.at = start;
    s->piece.size = end - start;
}

static void put(Scan *s, const char *data, Py_ssize_t size)
{
    if (!s->piece.size || s->piece.at >= 0) {
        finish_piece(s);
        s->piece.at = -1 - (Py_ssize_t)s->extra.size;
    }
    s->piece.size += size;
    append(&s->extra, data, (size_t)size, &s->failed);
}

static void leave_hole(Scan *s, int level, Py_ssize_t number, Py_ssize_t column)
{
    finish_piece(s);
    Piece piece = {(Py_ssize_t)COUNT(&s->holes, Hole), -1};
    Hole hole = {level, number, column, s->record};
    append(&s->pieces, &piece, sizeof piece, &s->failed);
    append(&s->holes, &hole, sizeof hole, &s->failed);
}

static void write_instance(Scan *s, Py_ssize_t number, const Node *node);

static void write_child(Scan *s, const Member *member, const Node *node)
{
    if (member->child >= 0)
        write_instance(s, member->child, node);
    else if (member->child <= COMPUTED)
        leave_hole(s, node->level, COMPUTED - member->child, 0);
    else
        copy(s, member->value, member->value_end);
}

/* What stands before a member that has no place of its own, or had the first. */
static void usual_separator(Scan *s, const Instance *object, const Member *members)
{
    if (object->count > 1) {
        copy(s, members[object->count - 2].value_end, members[object->count - 1].key);
        return;
    }
    put(s, ",", 1);
    if (members[0].key > object->start + 1)
        copy(s, object->start + 1, members[0].key);
    else if (s->text[members[0].value - 1] == ' ')
        put(s, " ", 1);
}

static void write_member(Scan *s, const Instance *object, const Member *members, const Op *op)
{
    switch (op->source) {
    case RAW:
        copy(s, members[op->from].value, members[op->from].value_end);
        break;
    case OPENED:
        write_child(s, &members[op->from], op->node);
        break;
    case FIXED:
        put(s, op->fixed, op->fixed_size);
        break;
    case HOLE:
        leave_hole(s, object->level, object->number, op->from);
    }
}

static void write_record(Scan *s, const Instance *object)
{
    const Member *members = &AT(&s->members, Member, object->first);
    const Plan *plan = object->shape->plan;
    if (!plan->count) {
        if (object->count)
            put(s, "{}", 2);
        else
            copy(s, object->start, object->end);
        return;
    }
    for (Py_ssize_t i = 0; i < plan->count; i++) {
        const Op *op = &plan->ops[i];
        if (!object->count) { /* a first member finds no spacing to follow */
            put(s, i ? "," : "{", 1);
            put(s, op->key, op->key_size);
            put(s, ":", 1);
            write_member(s, object, members, op);
            continue;
        }
        const Member *place = &members[op->place < 0 ? object->count - 1 : op->place];
        if (!i)
            copy(s, object->start, members[0].key);
        else if (op->place > 0)
            copy(s, members[op->place - 1].value_end, place->key);
        else
            usual_separator(s, object, members);
        if (op->key)
            put(s, op->key, op->key_size);
        else
            copy(s, place->key, place->key_end);
        copy(s, place->key_end, place->value);
        write_member(s, object, members, op);
    }
    if (object->count)
        copy(s, members[object->count - 1].value_end, object->end);
    else
        put(s, "}", 1);
}

static void write_instance(Scan *s, Py_ssize_t number, const Node *node)
{
    const Instance *made = &AT(&s->instances, Instance, number);
    if (made->kind == RECORD) {
        write_record(s, made);
        return;
    }
    Py_ssize_t at = made->start;
    for (Py_ssize_t i = 0; i < made->count; i++) {
        const Member *member = &AT(&s->members, Member, made->first + i);
        copy(s, at, member->value);
        write_child(s, member, node->item);
        at = member->value_end;
    }
    copy(s, at, made->end);
}

/* ---- the records of a text */
static int one_record(Scan *s, Text start, Text end)
{
    Py_ssize_t child;
    s->stack.size = s->members.size = s->instances.size = 0;
    s->end = end;
    Text last = node_value(s, s->program->root, start, &child);
    if (last != end || child < 0)
        return 0;
    write_instance(s, child, s->program->root);
    return 1;
}

/* `skipped`: the numbers of records that are odd already, ascending. */
static void all_records(Scan *s, const int64_t *spans, Py_ssize_t count, Py_ssize_t size, Py_ssize_t *marks, const Array *skipped)
{
    Program *program = s->program;
    Py_ssize_t at = 0;
    size_t passed = 0;
    for (Py_ssize_t i = 0; i < count && !s->failed; i++) {
        s->record = i;
        copy(s, at, (Py_ssize_t)spans[2 * i]);
        int skip = passed < COUNT(skipped, Py_ssize_t) && AT(skipped, Py_ssize_t, passed) == i;
        passed += (size_t)skip;
        for (Py_ssize_t k = 0; k < program->level_count; k++)
            marks[k] = program->levels[k].instances;
        at = (Py_ssize_t)spans[2 * i + 1];
        if (!skip && one_record(s, s->text + spans[2 * i], s->text + at))
            continue;
        for (Py_ssize_t k = 0; k < program->level_count; k++) {
            Level *level = &program->levels[k];
            level->instances = marks[k];
            level->spans.size = (size_t)(marks[k] * level->inputs) * 2 * sizeof(Py_ssize_t);
        }
        leave_hole(s, -1, (Py_ssize_t)COUNT(&s->odd, Py_ssize_t), 0);
        append(&s->odd, &i, sizeof i, &s->failed);
    }
    copy(s, at, size);
    finish_piece(s);
}

/* For each level, for each of its inputs, the list of its values' texts; None where one is missing. */
static PyObject *columns_of(const Program *program, const char *text)
{
    PyObject *levels = PyList_New(program->level_count);
    for (Py_ssize_t k = 0; levels && k < program->level_count; k++) {
        const Level *level = &program->levels[k];
        PyObject *columns = PyList_New(level->inputs);
        if (!columns || PyList_SetItem(levels, k, columns) < 0)
            goto failed;
        for (Py_ssize_t i = 0; i < level->inputs; i++) {
            PyObject *column = PyList_New(level->instances);
            if (!column || PyList_SetItem(columns, i, column) < 0)
                goto failed;
            for (Py_ssize_t row = 0; row < level->instances; row++) {
                const Py_ssize_t *span = &AT(&level->spans, Py_ssize_t, 2 * (row * level->inputs + i));
                PyObject *each = span[0] < 0 ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(text + span[0], span[1] - span[0]);
                if (!each || PyList_SetItem(column, row, each) < 0)
                    goto failed;
            }
        }
    }
    return levels;
failed:
    Py_DECREF(levels);
    return NULL;
}

/* What an array holds, as bytes. */
static PyObject *bytes_of(const Array *array)
{
    return PyBytes_FromStringAndSize(array->size ? array->data : "", (Py_ssize_t)array->size);
}

static PyObject *numbers(const Array *array)
{
    Py_ssize_t count = (Py_ssize_t)COUNT(array, Py_ssize_t);
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *number = PyLong_FromSsize_t(AT(array, Py_ssize_t, i));
        if (!number || PyList_SetItem(list, i, number) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static int take_numbers(PyObject *list, Array *into)
{
    int failed = 0;
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
        Py_ssize_t number = PyLong_AsSsize_t(PyList_GetItem(list, i));
        if (PyErr_Occurred())
            return 0;
        if (!append(into, &number, sizeof number, &failed)) {
            PyErr_NoMemory();
            return 0;
        }
    }
    return 1;
}

static int valid_spans(const int64_t *spans, Py_ssize_t count, Py_ssize_t size)
{
    int64_t at = 0;
    for (Py_ssize_t i = 0; i < 2 * count; i++) {
        if (spans[i] < at || spans[i] > size)
            return 0;
        at = spans[i];
    }
    return 1;
}

static PyObject *scanned(Scan *s, const Py_buffer *text, const Py_buffer *spans, const Array *skipped)
{
    Program *program = s->program;
    Py_ssize_t *marks = zeroed((size_t)program->level_count, sizeof(Py_ssize_t));
    if (!marks)
        return NULL;
    for (Py_ssize_t k = 0; k < program->level_count; k++)
        program->levels[k].instances = 0, program->levels[k].spans.size = 0;
    s->thread = PyEval_SaveThread();
    all_records(s, spans->buf, spans->len / SPAN, text->len, marks, skipped);
    PyEval_RestoreThread(s->thread);
    free(marks);
    if (s->failed) {
        if (s->error[0])
            PyErr_Restore(s->error[0], s->error[1], s->error[2]);
        else
            PyErr_NoMemory();
        return NULL;
    }
    PyObject *columns = columns_of(program, text->buf), *odd = columns ? numbers(&s->odd) : NULL;
    PyObject *result = NULL;
    if (odd)
        result = Py_BuildValue("(NNN)OO", bytes_of(&s->pieces), bytes_of(&s->extra), bytes_of(&s->holes), columns, odd);
    Py_XDECREF(columns);
    Py_XDECREF(odd);
    return result;
}

static PyObject *scan(PyObject *module, PyObject *arguments)
{
    PyObject *capsule, *planner, *odd, *result = NULL;
    Py_buffer text, spans;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "Oy*y*OO!", &capsule, &text, &spans, &planner, &PyList_Type, &odd))
        return NULL;
    Array skipped = {NULL, 0, 0};
    Scan s = {.program = PyCapsule_GetPointer(capsule, CAPSULE), .text = text.buf, .planner = planner};
    if (s.program) {
        if (spans.len % SPAN || (uintptr_t)spans.buf % sizeof(int64_t)
            || !valid_spans(spans.buf, spans.len / SPAN, text.len))
            PyErr_SetString(PyExc_ValueError, "the records' places are not in the text, or not in order");
        else if (s.program->busy)
            PyErr_SetString(PyExc_RuntimeError, "a program is for one scan at a time");
        else if (take_numbers(odd, &skipped)) {
            s.program->busy = 1;
            result = scanned(&s, &text, &spans, &skipped);
            s.program->busy = 0;
        }
    }
    Array *arrays[] = {&s.stack, &s.members, &s.instances, &s.pieces, &s.extra, &s.holes, &s.odd, &skipped};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]->data);
    PyBuffer_Release(&text);
    PyBuffer_Release(&spans);
    return result;
}

/* ---- the new text */
static PyObject *item(PyObject *list, Py_ssize_t number)
{
    if (list && !PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "what fills the holes comes in lists");
        return NULL;
    }
    return list ? PyList_GetItem(list, number) : NULL;
}

typedef struct {
    Py_buffer text, pieces, extra, holes;
    PyObject *levels, *records, *missing;
} Made;

/* What a hole gets, borrowed; NULL with an error. */
static PyObject *value_of(const Made *made, const Hole *hole)
{
    if (hole->level < 0)
        return item(made->records, hole->number);
    return item(item(item(made->levels, hole->level), hole->column), hole->number);
}

/* Text of which only the size is wanted first; then `into` has room for that. */
typedef struct {
    char *into;
    Py_ssize_t size, room;
} Output;

/* 0 where there is no room. */
static int add(Output *output, const char *data, Py_ssize_t size)
{
    if (size > output->room - output->size)
        return 0;
    if (output->into && size)
        memcpy(output->into + output->size, data, (size_t)size);
    output->size += size;
    return 1;
}

/* Adds a value's text; None is a null. 0 where there is no room, or with an error. */
static int add_value(Output *output, PyObject *value)
{
    if (value == Py_None)
        return add(output, "null", 4);
    if (PyBytes_CheckExact(value))
        return add(output, PyBytes_AsString(value), PyBytes_Size(value));
    Py_buffer raw;
    if (PyObject_GetBuffer(value, &raw, PyBUF_SIMPLE) < 0)
        return 0;
    int added = add(output, raw.buf, raw.len);
    PyBuffer_Release(&raw);
    return added;
}

/* Puts the new text together; `without` gets the records in which a value is missing. 0 with an error. */
static int put_together(const Made *made, Output *output, Array *without)
{
    const Py_ssize_t holes = made->holes.len / (Py_ssize_t)sizeof(Hole);
    int failed = 0;
    for (Py_ssize_t i = 0; i < made->pieces.len / (Py_ssize_t)sizeof(Piece); i++) {
        Piece piece;
        memcpy(&piece, (const char *)made->pieces.buf + i * (Py_ssize_t)sizeof piece, sizeof piece);
        if (piece.size >= 0) {
            const Py_buffer *from = piece.at < 0 ? &made->extra : &made->text;
            Py_ssize_t at = piece.at < 0 ? -1 - piece.at : piece.at;
            if (at > from->len || piece.size > from->len - at || !add(output, (const char *)from->buf + at, piece.size))
                goto wrong;
            continue;
        }
        Hole hole;
        if (piece.at < 0 || piece.at >= holes)
            goto wrong;
        memcpy(&hole, (const char *)made->holes.buf + piece.at * (Py_ssize_t)sizeof hole, sizeof hole);
        PyObject *value = value_of(made, &hole);
        if (!value)
            return 0;
        if (value == made->missing) {
            size_t count = COUNT(without, Py_ssize_t);
            if ((!count || AT(without, Py_ssize_t, count - 1) != hole.record)
                && !append(without, &hole.record, sizeof hole.record, &failed)) {
                PyErr_NoMemory();
                return 0;
            }
        } else if (!add_value(output, value))
            goto wrong;
    }
    return 1;
wrong:
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "a piece is not in the text");
    return 0;
}

/* (text, (pieces, extra texts, holes), values by level, column and number, records, missing) → the new text, or the list of the
 * records in which a value is `missing` */
static PyObject *fill(PyObject *module, PyObject *arguments)
{
    Made made;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*(y*y*y*)OOO", &made.text, &made.pieces, &made.extra, &made.holes, &made.levels, &made.records,
                          &made.missing))
        return NULL;
    Array without = {NULL, 0, 0};
    Output output = {NULL, 0, PY_SSIZE_T_MAX};
    if (put_together(&made, &output, &without)) {
        if (without.size)
            result = numbers(&without);
        else if ((result = PyBytes_FromStringAndSize(NULL, output.size))) {
            Output written = {PyBytes_AsString(result), 0, output.size};
            if (!put_together(&made, &written, &without))
                Py_CLEAR(result);
            else if (written.size != output.size) {
                PyErr_SetString(PyExc_RuntimeError, "a value changed while it was written");
                Py_CLEAR(result);
            }
        }
    }
    free(without.data);
    Py_buffer *all[] = {&made.text, &made.pieces, &made.extra, &made.holes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        PyBuffer_Release(all[i]);
    return result;
}

/* ---- lines */
static int is_blank(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* (text, bytes, records, whether the text ends here) → (start and end of each record …, where their lines end, are these all asked for)
 *
 * A record is what stands on a line between blanks, behind a byte order mark; it is cut, not checked. So many records are taken
 * that they have `bytes` bytes together, or are `records`, or until the last line that has an end.
 */
static PyObject *lines(PyObject *module, PyObject *arguments)
{
    Py_buffer text;
    Py_ssize_t most_bytes, most_records, size = 0, count = 0;
    int ends, failed = 0;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*nnp", &text, &most_bytes, &most_records, &ends))
        return NULL;
    Array spans = {NULL, 0, 0};
    Text begin = text.buf, end = begin + text.len, p = begin;
    Py_BEGIN_ALLOW_THREADS
    while (p < end && size < most_bytes && count < most_records) {
        Text last = memchr(p, '\n', (size_t)(end - p));
        if (!last && !ends)
            break;
        Text after = last ? last + 1 : end, from = p;
        last = last ? last : end;
        if (last - from >= 3 && !memcmp(from, "\xEF\xBB\xBF", 3))
            from += 3;
        while (from < last && is_blank(*from))
            from++;
        while (last > from && is_blank(last[-1]))
            last--;
        p = after;
        if (from == last)
            continue;
        int64_t span[2] = {from - begin, last - begin};
        if (!append(&spans, span, sizeof span, &failed))
            break;
        size += last - from;
        count++;
    }
    Py_END_ALLOW_THREADS
    PyObject *result = NULL;
    if (failed)
        PyErr_NoMemory();
    else
        result = Py_BuildValue("NnO", bytes_of(&spans), (Py_ssize_t)(p - begin),
                               size >= most_bytes || count >= most_records ? Py_True : Py_False);
    free(spans.data);
    PyBuffer_Release(&text);
    return result;
}

/* (text, start, bytes, records, shift) → (where each element begins and ends …, moved by `shift` - `start`, where the last one ends)
 *
 * The elements of an array from `start` on, as long as they are objects in valid JSON with commas between them.
 */
static PyObject *elements(PyObject *module, PyObject *arguments)
{
    Py_buffer text;
    Py_ssize_t start, most_bytes, most_records, shift, count = 0;
    int failed = 0;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*nnnn", &text, &start, &most_bytes, &most_records, &shift))
        return NULL;
    Array spans = {NULL, 0, 0};
    Text begin = text.buf, end = begin + text.len, first = begin + (start < 0 ? 0 : start > text.len ? text.len : start);
    Text p = first, last = first;
    Py_BEGIN_ALLOW_THREADS
    while (last - first < most_bytes && count < most_records && p < end && *p == '{') {
        Text after = value(p, end);
        if (!after)
            break;
        int64_t span[2] = {p - first + shift, after - first + shift};
        if (!append(&spans, span, sizeof span, &failed))
            break;
        count++;
        last = after;
        p = blanks(after, end);
        if (p == end || *p != ',')
            break;
        p = blanks(p + 1, end);
    }
    Py_END_ALLOW_THREADS
    PyObject *result = failed ? PyErr_NoMemory() : Py_BuildValue("Nn", bytes_of(&spans), (Py_ssize_t)(last - begin));
    free(spans.data);
    PyBuffer_Release(&text);
    return result;
}

/* ---- the module */
static PyMethodDef methods[] = {
    {"program", make_program, METH_VARARGS, "(levels, root) -> program, for one scan at a time"},
    {"scan", scan, METH_VARARGS, "(program, text, places, planner, odd records) -> (new text with holes, columns, odd records)"},
    {"fill", fill, METH_VARARGS, "(text, new text with holes, values, records, missing) -> bytes, or the records in which one is missing"},
    {"elements", elements, METH_VARARGS, "(text, start, bytes, records, shift) -> (places of the records, end)"},
    {"lines", lines, METH_VARARGS, "(text, bytes, records, ends) -> (places of the records, end, full)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_scan", "A strict walk over JSON texts; see splice.py.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__scan(void)
{
    return PyModule_Create(&definition);
}
