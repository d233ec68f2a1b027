/* Lines of JSON whose new text is the old one, but for keys that are renamed and members that are dropped, computed or new: see
 * `json_edits.py`.
 *
 * The old line is taken apart: all of it, strictly (RFC 8259, UTF-8), with every key of every object, so that none is there
 * twice. The new line must be what stands in the old one, byte by byte, with the new keys in place of the old ones and without the
 * dropped members; only around these may the white space differ. So a line that is proved is valid, has no key twice, and each of
 * its values is the old one's very text. Where a record has members that are computed or new, both records are taken apart, side by
 * side; these members' values are taken out, for others to judge, and so are those that they are computed from.
 *
 * What is not proved here is judged in Python: no line is ever found wrong here. It shares no code with what writes JSON. No text
 * makes it fail: every read is within the bounds of a line, and memory grows only with the values that are taken out.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "_json_grammar.h"
#include "_json_taken.h"

enum { DEEPEST = 256 };                                /* containers around a value, of those that are opened and of others */
enum { SLOTS = 1 << 14, MOST = SLOTS / 2, PROBES = 64 }; /* of the keys that were met */
enum { SAME, RENAMED, DROPPED, REFUSED, COMPUTED };    /* what becomes of a member; a computed one keeps its place */
enum { MAYBE = -2, ALWAYS = -1 };                      /* when a new member is there, if not with an old one */
enum { RECORD, LIST, MAP };                            /* what a level opens */
enum { FINISHED, OLD_WANTED, NEW_WANTED, ODD, FULL };  /* why the walk stopped */

typedef struct {
    const char *key, *spelled; /* the old key's bytes, and the new one with its quotes */
    Py_ssize_t size, spelled_size;
    uint64_t hash, seen; /* `seen`: the last object that had it */
    int action, child;   /* the level that its value is opened by, or -1 */
    int taken, computed; /* the columns in which its old value and its new one are taken, or -1 */
} Member;

typedef struct { /* a member that the new object may have anywhere */
    const char *key;
    Py_ssize_t size;
    uint64_t seen;
    int with, taken; /* the old member with which it is there, ALWAYS or MAYBE; the column of its value */
} Fresh;

typedef struct {
    Member *members;
    Fresh *fresh;
    Py_ssize_t count, fresh_count, *slots; /* numbers of members by their hash, or -1 */
    size_t mask;
    int kind, apart; /* `apart`: the new object is taken apart, too */
} Level;

typedef struct {
    PyObject *told; /* holds the keys' bytes */
    Level *levels;
    Py_ssize_t count;
    uint64_t *met, objects; /* keys with the objects that have them, as one number; how many objects there were */
    size_t filled;
    int busy;
    Taken taken;
    /* the line: all of the old one before `old` is found in the new one before `new` */
    Text end, old, new, new_end;
} Walk;

/* ---- keys */
static uint64_t mixed(uint64_t h, uint64_t part)
{
    h = (h ^ part) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

static uint64_t hash_of(const void *text, Py_ssize_t size)
{
    const unsigned char *p = text, *end = p + size;
    uint64_t h = (uint64_t)size, part = 0;
    if (size < 8) {
        for (; p < end; p++)
            part = part << 8 | *p;
        return mixed(h, part);
    }
    for (; end - p > 8; p += 8) {
        memcpy(&part, p, 8);
        h = mixed(h, part);
    }
    memcpy(&part, end - 8, 8);
    return mixed(h, part);
}

/* Is a key the first of its name in an object? Two that are not the same are very rarely taken for one; never the other way round. */
static int is_first(Walk *w, uint64_t object, Text key, Py_ssize_t size)
{
    uint64_t both = mixed(hash_of(key, size), object * UINT64_C(0xD6E8FEB86659FD93)) | 1;
    size_t at = (size_t)(both >> 40) % SLOTS;
    for (int i = 0; i < PROBES; i++, at = (at + 1) % SLOTS) {
        if (w->met[at] == both)
            return 0;
        if (!w->met[at]) {
            w->met[at] = both;
            return ++w->filled < MOST + MOST / 2;
        }
    }
    return 0;
}

/* A level's own member of this name; they mostly come in their order. */
static Member *member_of(Level *level, Text key, Py_ssize_t size, Py_ssize_t *next)
{
    if (*next < level->count) {
        Member *likely = &level->members[*next];
        if (likely->size == size && !memcmp(likely->key, key, (size_t)size)) {
            ++*next;
            return likely;
        }
    }
    uint64_t hash = hash_of(key, size);
    for (size_t at = (size_t)hash & level->mask;; at = (at + 1) & level->mask) {
        Py_ssize_t found = level->slots[at];
        if (found < 0)
            return NULL;
        Member *member = &level->members[found];
        if (member->hash == hash && member->size == size && !memcmp(member->key, key, (size_t)size)) {
            *next = found + 1;
            return member;
        }
    }
}

/* A value that is not opened, with no key twice in it at any depth. */
static Text value(Walk *w, Text p, Text end)
{
    uint64_t around[DEEPEST]; /* the objects around, by their numbers; 0 for an array */
    int depth = 0;
    for (;;) { /* a value begins at `p` */
        if (p < end && (*p == '{' || *p == '[')) {
            int object = *p == '{';
            if (depth == DEEPEST)
                return NULL;
            p = blanks(p + 1, end);
            if (p == end)
                return NULL;
            around[depth++] = object ? ++w->objects : 0;
            if (*p != (object ? '}' : ']')) {
                if (!object)
                    continue;
                goto key;
            }
        } else {
            p = scalar(p, end);
            if (!p || !depth)
                return p;
            p = blanks(p, end);
        }
        for (; p < end && *p == (around[depth - 1] ? '}' : ']'); p = blanks(p, end)) {
            p++;
            if (!--depth)
                return p;
        }
        if (p == end || *p != ',')
            return NULL;
        p = blanks(p + 1, end);
        if (!around[depth - 1])
            continue;
    key:;
        Text last = key_end(p, end);
        if (!last || !is_first(w, around[depth - 1], p + 1, last - p - 1))
            return NULL;
        p = behind_colon(last + 1, end);
        if (!p)
            return NULL;
    }
}

/* ---- the new line */
static inline int follows(Walk *w, const void *text, Py_ssize_t size)
{
    if (w->new_end - w->new < size || memcmp(w->new, text, (size_t)size))
        return 0;
    w->new += size;
    return 1;
}

/* Does the new line go on as the old one does up to `p`? */
static inline int same_to(Walk *w, Text p)
{
    Text from = w->old;
    w->old = p;
    return follows(w, from, p - from);
}

/* Behind what was kept the old line has dropped members up to `p`; the new one goes on with the next member, or the end. */
static int passed_gap(Walk *w, Text p, int comma)
{
    w->old = p;
    w->new = blanks(w->new, w->new_end);
    if (!comma)
        return 1;
    if (!follows(w, ",", 1))
        return 0;
    w->new = blanks(w->new, w->new_end);
    return 1;
}

/* ---- what is opened */
static Text opened(Walk *w, Level *level, Text p, int depth);

static Text value_by(Walk *w, int child, Text p, int depth)
{
    return child < 0 ? value(w, p, w->end) : opened(w, &w->levels[child], p, depth + 1);
}

/* An old value; it is taken where it is asked for. */
static Text kept_value(Walk *w, Member *member, Text p, int depth)
{
    Text last = value_by(w, member ? member->child : -1, p, depth);
    if (member && last)
        take(&w->taken, member->taken, p, last);
    return last;
}

/* The members of an object, or the elements of an array, whose values are all opened by the same level. */
static Text elements(Walk *w, Level *level, Text p, int depth)
{
    Text end = w->end;
    unsigned char close = level->kind == MAP ? '}' : ']';
    uint64_t object = ++w->objects;
    p = blanks(p + 1, end);
    if (p < end && *p == close)
        return p + 1;
    for (;;) {
        if (level->kind == MAP) {
            Text last = key_end(p, end);
            if (!last || !is_first(w, object, p + 1, last - p - 1) || !(p = behind_colon(last + 1, end)))
                return NULL;
        }
        p = value_by(w, level->members[0].child, p, depth);
        if (!p)
            return NULL;
        p = blanks(p, end);
        if (p < end && *p == close)
            return p + 1;
        if (p == end || *p != ',')
            return NULL;
        p = blanks(p + 1, end);
    }
}

static Text record(Walk *w, Level *level, Text p, int depth)
{
    Text end = w->end, kept_to = p + 1; /* behind the last member that is kept */
    uint64_t object = ++w->objects;
    Py_ssize_t next = 0;
    int any = 0, gap = 0; /* is any member kept? were those since then dropped? */
    p = blanks(p + 1, end);
    if (p < end && *p == '}')
        return p + 1;
    for (;;) {
        Text key = p, last = key_end(p, end);
        if (!last)
            return NULL;
        Member *member = member_of(level, key + 1, last - key - 1, &next);
        if (member ? member->seen == object : !is_first(w, object, key + 1, last - key - 1))
            return NULL;
        if (member)
            member->seen = object;
        int action = member ? member->action : SAME;
        p = behind_colon(last + 1, end);
        if (!p || action == REFUSED)
            return NULL;
        if (action == DROPPED) {
            if (!gap && !same_to(w, kept_to))
                return NULL;
            gap = 1;
            p = kept_value(w, member, p, depth);
        } else {
            if (gap && !passed_gap(w, key, any))
                return NULL;
            gap = 0;
            if (action == RENAMED) {
                if (!same_to(w, key) || !follows(w, member->spelled, member->spelled_size))
                    return NULL;
                w->old = last + 1;
            }
            p = kept_to = kept_value(w, member, p, depth);
            any = 1;
        }
        if (!p)
            return NULL;
        p = blanks(p, end);
        if (p < end && *p == '}')
            break;
        if (p == end || *p != ',')
            return NULL;
        p = blanks(p + 1, end);
    }
    return gap && !passed_gap(w, p, 0) ? NULL : p + 1;
}

/* The new object's members up to the value of the one with this key, or where there is none to the end of the object. */
static int new_member(Walk *w, Level *level, uint64_t object, const void *key, Py_ssize_t size, int *any)
{
    for (Text end = w->new_end;; *any = 1) {
        w->new = blanks(w->new, end);
        if (!key && w->new < end && *w->new == '}')
            return follows(w, "}", 1);
        if (*any && !follows(w, ",", 1))
            return 0;
        w->new = blanks(w->new, end);
        if (key && follows(w, key, size)) {
            *any = 1;
            w->new = behind_colon(w->new, end);
            return w->new != NULL;
        }
        Text begin = w->new, last = key_end(begin, end), from = last ? behind_colon(last + 1, end) : NULL;
        Fresh *fresh = level->fresh, *none = fresh + level->fresh_count;
        while (fresh < none && (!from || fresh->size != last - begin - 1 || memcmp(fresh->key, begin + 1, (size_t)fresh->size)))
            fresh++;
        if (fresh == none || fresh->seen == object)
            return 0;
        fresh->seen = object;
        w->new = value(w, from, end);
        if (!w->new)
            return 0;
        take(&w->taken, fresh->taken, from, w->new);
    }
}

/* A member whose new value is another one. */
static Text computed(Walk *w, Member *member, Text p, int depth)
{
    Text from = w->new;
    w->new = value(w, from, w->new_end);
    if (!w->new)
        return NULL;
    take(&w->taken, member->computed, from, w->new);
    return kept_value(w, member, p, depth);
}

static Text kept_beside(Walk *w, Member *member, Text p, int depth)
{
    w->old = p;
    Text last = kept_value(w, member, p, depth);
    return last && same_to(w, last) ? last : NULL;
}

/* Are the new members there that must be, and no others? */
static int fresh_as_told(Level *level, uint64_t object)
{
    for (Fresh *fresh = level->fresh; fresh < level->fresh + level->fresh_count; fresh++) {
        int is = fresh->seen == object;
        if (fresh->with != MAYBE && is != (fresh->with == ALWAYS || level->members[fresh->with].seen == object))
            return 0;
    }
    return 1;
}

/* An old object and the new one, side by side. */
static Text beside(Walk *w, Level *level, Text p, int depth)
{
    Text end = w->end;
    uint64_t object = ++w->objects;
    Py_ssize_t next = 0;
    int any = 0;
    if (!same_to(w, p) || !follows(w, "{", 1))
        return NULL;
    p = blanks(p + 1, end);
    int more = p < end && *p != '}';
    while (more) {
        Text key = p, last = key_end(p, end);
        if (!last)
            return NULL;
        Member *member = member_of(level, key + 1, last - key - 1, &next);
        if (member ? member->seen == object : !is_first(w, object, key + 1, last - key - 1))
            return NULL;
        if (member)
            member->seen = object;
        int action = member ? member->action : SAME;
        p = behind_colon(last + 1, end);
        if (!p || action == REFUSED)
            return NULL;
        const void *name = action == SAME ? (const void *)key : member->spelled;
        Py_ssize_t size = action == SAME ? last + 1 - key : member->spelled_size;
        if (action != DROPPED && !new_member(w, level, object, name, size, &any))
            return NULL;
        p = action == DROPPED ? kept_value(w, member, p, depth)
            : action == COMPUTED ? computed(w, member, p, depth) : kept_beside(w, member, p, depth);
        if (!p)
            return NULL;
        p = blanks(p, end);
        more = p < end && *p == ',';
        if (more)
            p = blanks(p + 1, end);
    }
    if (p == end || *p != '}' || !new_member(w, level, object, NULL, 0, &any) || !fresh_as_told(level, object))
        return NULL;
    return w->old = p + 1;
}

/* A value that a level opens, or null, but for a line's own. */
static Text opened(Walk *w, Level *level, Text p, int depth)
{
    if (p == w->end || depth == DEEPEST)
        return NULL;
    if (*p == 'n' && depth)
        return word(p, w->end, "null", 4);
    if (*p != (level->kind == LIST ? '[' : '{'))
        return NULL;
    if (level->kind != RECORD)
        return elements(w, level, p, depth);
    return level->apart ? beside(w, level, p, depth) : record(w, level, p, depth);
}

static int line_proved(Walk *w, Text old, Text old_end, Text new, Text new_end)
{
    if (w->filled >= MOST) {
        memset(w->met, 0, SLOTS * sizeof *w->met);
        w->filled = 0;
    }
    w->end = old_end, w->old = old, w->new = new, w->new_end = new_end;
    taken_line_begins(&w->taken);
    Text last = opened(w, w->levels, old, 0);
    return last == old_end && same_to(w, last) && w->new == new_end && taken_line_ends(&w->taken);
}

/* ---- two texts, line by line */
typedef struct {
    Text at, end;
    int ends; /* does the file end here? */
    Text from, to, after; /* the next line without the white space around it, and where its own end is */
} Side;

enum { LINE, NONE, CUT };

/* The next line that is not blank; blank ones are passed. */
static int next_line(Side *side)
{
    while (side->at < side->end) {
        Text last = memchr(side->at, '\n', (size_t)(side->end - side->at));
        if (!last && !side->ends)
            return CUT;
        side->after = last ? last + 1 : side->end;
        side->to = last ? last : side->end;
        side->from = blanks(side->at, side->to);
        while (side->to > side->from && is_blank(side->to[-1]))
            side->to--;
        if (side->from < side->to)
            return LINE;
        side->at = side->after;
    }
    return side->ends ? NONE : CUT;
}

static int walk(Walk *w, Side *old, Side *new, Py_ssize_t *count)
{
    for (;; ++*count) {
        if (w->taken.full)
            return FULL;
        int first = next_line(old), second = next_line(new);
        if (first == CUT)
            return OLD_WANTED;
        if (second == CUT)
            return NEW_WANTED;
        if (first == NONE && second == NONE)
            return FINISHED;
        if (first == NONE || second == NONE || !line_proved(w, old->from, old->to, new->from, new->to))
            return ODD;
        old->at = old->after;
        new->at = new->after;
    }
}

/* ---- what Python tells */
#define CAPSULE "instar.transforms.proof._json_edits.edits"

static void freed(Walk *w)
{
    for (Py_ssize_t i = 0; w->levels && i < w->count; i++) {
        free(w->levels[i].members);
        free(w->levels[i].slots);
        free(w->levels[i].fresh);
    }
    taken_freed(&w->taken);
    free(w->levels);
    free(w->met);
    Py_XDECREF(w->told);
    free(w);
}

static void forget(PyObject *capsule)
{
    freed(PyCapsule_GetPointer(capsule, CAPSULE));
}

static int is_column(int column, Py_ssize_t columns)
{
    if (-1 <= column && column < columns)
        return 1;
    PyErr_SetString(PyExc_ValueError, "there is no such column");
    return 0;
}

static int take_member(Member *member, PyObject *told, Py_ssize_t level, Py_ssize_t count, Py_ssize_t columns)
{
    if (!PyTuple_Check(told) || !PyArg_ParseTuple(told, "y#iy#iii", &member->key, &member->size, &member->action, &member->spelled,
                                                  &member->spelled_size, &member->child, &member->taken, &member->computed)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a member is told as a tuple");
        return 0;
    }
    /* a level that opened itself would lose sight of the keys of the object around */
    if (member->action < SAME || member->action > COMPUTED || member->child < -1 || member->child >= count
        || (member->child >= 0 && member->child <= level)) {
        PyErr_SetString(PyExc_ValueError, "a member has no such action, or opens no later level");
        return 0;
    }
    member->hash = hash_of(member->key, member->size);
    return is_column(member->taken, columns) && is_column(member->computed, columns);
}

static int take_fresh(Level *level, PyObject *told, Py_ssize_t columns)
{
    level->fresh_count = PyTuple_Size(told);
    level->fresh = calloc((size_t)level->fresh_count + 1, sizeof *level->fresh);
    if (!level->fresh) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t i = 0; i < level->fresh_count; i++) {
        Fresh *fresh = &level->fresh[i];
        PyObject *each = PyTuple_GetItem(told, i);
        if (!PyTuple_Check(each)) {
            PyErr_SetString(PyExc_TypeError, "a new member is told as a tuple");
            return 0;
        }
        if (!PyArg_ParseTuple(each, "y#ii", &fresh->key, &fresh->size, &fresh->with, &fresh->taken)
            || !is_column(fresh->taken, columns))
            return 0;
        if (fresh->with < MAYBE || fresh->with >= level->count) {
            PyErr_SetString(PyExc_ValueError, "a new member is there with none that is told");
            return 0;
        }
    }
    return 1;
}

static int take_level(Level *level, PyObject *told, Py_ssize_t number, Py_ssize_t count, Py_ssize_t columns)
{
    PyObject *members, *fresh;
    if (!PyTuple_Check(told)) {
        PyErr_SetString(PyExc_TypeError, "a level is told as a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(told, "iO!O!", &level->kind, &PyTuple_Type, &members, &PyTuple_Type, &fresh))
        return 0;
    level->count = PyTuple_Size(members);
    if (level->kind < RECORD || level->kind > MAP || (level->kind != RECORD && (level->count != 1 || PyTuple_Size(fresh)))) {
        PyErr_SetString(PyExc_ValueError, "there is no such kind of level");
        return 0;
    }
    if (!take_fresh(level, fresh, columns))
        return 0;
    level->apart = level->fresh_count > 0;
    size_t slots = 4;
    while (slots < 2 * (size_t)level->count)
        slots *= 2;
    level->mask = slots - 1;
    level->members = calloc((size_t)level->count + 1, sizeof *level->members);
    level->slots = malloc(slots * sizeof *level->slots);
    if (!level->members || !level->slots) {
        PyErr_NoMemory();
        return 0;
    }
    for (size_t i = 0; i < slots; i++)
        level->slots[i] = -1;
    for (Py_ssize_t i = 0; i < level->count; i++) {
        if (!take_member(&level->members[i], PyTuple_GetItem(members, i), number, count, columns))
            return 0;
        level->apart |= level->members[i].action == COMPUTED;
        size_t at = (size_t)level->members[i].hash & level->mask;
        for (; level->slots[at] >= 0; at = (at + 1) & level->mask) {
            const Member *one = &level->members[level->slots[at]], *other = &level->members[i];
            if (one->size == other->size && !memcmp(one->key, other->key, (size_t)one->size)) {
                PyErr_SetString(PyExc_ValueError, "a key is told twice");
                return 0;
            }
        }
        level->slots[at] = i;
    }
    return 1;
}

/* (levels, columns) → edits: of each level its kind, its members, each its old key, action, new key as it is spelled, level or -1,
 * and the columns of its old and new value, or -1; and the members that are new, each its key, with which other, and its column
 */
static PyObject *edits(PyObject *module, PyObject *arguments)
{
    PyObject *told, *made = NULL;
    Py_ssize_t columns = 0;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!|n", &PyTuple_Type, &told, &columns))
        return NULL;
    if (columns < 0 || columns > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "there is no such number of columns");
        return NULL;
    }
    Walk *w = calloc(1, sizeof *w);
    if (!w)
        return PyErr_NoMemory();
    w->told = Py_NewRef(told);
    w->count = PyTuple_Size(told);
    w->levels = calloc((size_t)w->count + 1, sizeof *w->levels);
    w->met = calloc(SLOTS, sizeof *w->met);
    if (!w->levels || !w->met || !taken_begun(&w->taken, columns))
        PyErr_NoMemory();
    else if (!w->count)
        PyErr_SetString(PyExc_ValueError, "nothing is opened");
    else {
        Py_ssize_t i = 0;
        while (i < w->count && take_level(&w->levels[i], PyTuple_GetItem(told, i), i, w->count, columns))
            i++;
        if (i == w->count)
            made = PyCapsule_New(w, CAPSULE, forget);
    }
    if (!made)
        freed(w);
    return made;
}

static int within(const Py_buffer *text, Py_ssize_t at, Py_ssize_t end)
{
    if (0 <= at && at <= end && end <= text->len)
        return 1;
    PyErr_SetString(PyExc_ValueError, "that is not within the text");
    return 0;
}

/* (edits, old text, from, to, whether its file ends there, the same of the new text)
 * → (lines that are proved, where the old and the new text stand behind them, why it goes no further: 0 both are at their end,
 *    1 the old or 2 the new text has no whole line left, 3 the next line of both must be judged otherwise, 4 what was taken out
 *    must be fetched first)
 */
static PyObject *proved(PyObject *module, PyObject *arguments)
{
    PyObject *capsule, *result = NULL;
    Py_buffer old, new;
    Py_ssize_t old_at, old_end, new_at, new_end, count = 0;
    int old_ends, new_ends;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "Oy*nnpy*nnp", &capsule, &old, &old_at, &old_end, &old_ends, &new, &new_at, &new_end, &new_ends))
        return NULL;
    Walk *w = PyCapsule_GetPointer(capsule, CAPSULE);
    if (w && w->busy)
        PyErr_SetString(PyExc_RuntimeError, "edits are for one walk at a time");
    else if (w && within(&old, old_at, old_end) && within(&new, new_at, new_end)) {
        Text old_text = old.buf, new_text = new.buf;
        Side first = {.at = old_text + old_at, .end = old_text + old_end, .ends = old_ends};
        Side second = {.at = new_text + new_at, .end = new_text + new_end, .ends = new_ends};
        int why;
        w->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        why = walk(w, &first, &second, &count);
        Py_END_ALLOW_THREADS
        w->busy = 0;
        result = Py_BuildValue("nnni", count, (Py_ssize_t)(first.at - old_text), (Py_ssize_t)(second.at - new_text), why);
    }
    PyBuffer_Release(&old);
    PyBuffer_Release(&new);
    return result;
}

static Walk *idle(PyObject *capsule)
{
    Walk *w = PyCapsule_GetPointer(capsule, CAPSULE);
    if (w && w->busy) {
        PyErr_SetString(PyExc_RuntimeError, "edits are for one walk at a time");
        return NULL;
    }
    return w;
}

/* (edits) → what was taken out of the lines since it was last asked: of each column the kinds, starts and data */
static PyObject *taken(PyObject *module, PyObject *capsule)
{
    (void)module;
    Walk *w = idle(capsule);
    return w ? taken_told(&w->taken) : NULL;
}

/* (edits, texts): adds a line that was judged otherwise, of each column the value's text, or None */
static PyObject *noted(PyObject *module, PyObject *arguments)
{
    PyObject *capsule, *texts;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO!", &capsule, &PyTuple_Type, &texts))
        return NULL;
    Walk *w = idle(capsule);
    if (!w)
        return NULL;
    if (PyTuple_Size(texts) != w->taken.count || w->taken.full) {
        PyErr_SetString(PyExc_ValueError, "there are other columns, or they are full");
        return NULL;
    }
    taken_line_begins(&w->taken);
    for (Py_ssize_t i = 0; i < w->taken.count; i++) {
        PyObject *each = PyTuple_GetItem(texts, i);
        char *text;
        Py_ssize_t size;
        if (each == Py_None)
            continue;
        if (PyBytes_AsStringAndSize(each, &text, &size) < 0)
            return NULL;
        if (size && (*text != '"' || size > 1))
            take(&w->taken, i, (Text)text, (Text)text + size);
    }
    if (!taken_line_ends(&w->taken))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* ---- the module */
static PyMethodDef methods[] = {
    {"edits", edits, METH_VARARGS, "(levels, columns) -> edits, for one walk at a time"},
    {"proved", proved, METH_VARARGS, "(edits, old text, from, to, ends, new text, from, to, ends) -> (lines, old at, new at, why)"},
    {"taken", taken, METH_O, "(edits) -> of each column the kinds, starts and data of its values"},
    {"noted", noted, METH_VARARGS, "(edits, texts): adds a line's values to the columns"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_json_edits", "Lines of JSON that were only edited; see json_edits.py.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__json_edits(void)
{
    PyObject *made = PyModule_Create(&definition);
    if (made && PyModule_AddIntConstant(made, "INTERFACE", 2) < 0) /* as in json_edits.py */
        Py_CLEAR(made);
    return made;
}
