/* One record's members at the levels that are opened, found in its text: what the walk knows of it when all is well. */
#ifndef INSTAR_JSON_MEMBERS
#define INSTAR_JSON_MEMBERS

#include "_grammar.h"
#include "_program.h"

enum { MOST_SHAPES = 1 << 14, MOST_SIBLINGS = 256, MOST_MAP_KEYS = 64 };

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

#endif
