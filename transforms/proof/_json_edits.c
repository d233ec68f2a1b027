/* Lines of JSON whose new text is the old one, but for keys that are renamed and members that are dropped: see `json_edits.py`.
 *
 * Only the old line is taken apart: all of it, strictly (RFC 8259, UTF-8), with every key of every object, so that none is there
 * twice. The new line must be what stands in the old one, byte by byte, with the new keys in place of the old ones and without the
 * dropped members; only around these may the white space differ. So a line that is proved is valid, has no key twice, and each of
 * its values is the old one's very text.
 *
 * What is not proved here is judged in Python: no line is ever found wrong here. It shares no code with what writes JSON. No text
 * makes it fail: every read is within the bounds of a line, and memory does not grow.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__) && defined(__GNUC__)
#include <emmintrin.h>
#endif

typedef const unsigned char *Text;

enum { DEEPEST = 256 };                                /* containers around a value, of those that are opened and of others */
enum { SLOTS = 1 << 14, MOST = SLOTS / 2, PROBES = 64 }; /* of the keys that were met */
enum { SAME, RENAMED, DROPPED, REFUSED };              /* what becomes of a member */
enum { RECORD, LIST, MAP };                            /* what a level opens */
enum { FINISHED, OLD_WANTED, NEW_WANTED, ODD };        /* why the walk stopped */

typedef struct {
    const char *key, *spelled; /* the old key's bytes, and the new one with its quotes */
    Py_ssize_t size, spelled_size;
    uint64_t hash, seen; /* `seen`: the last object that had it */
    int action, child;   /* the level that its value is opened by, or -1 */
} Member;

typedef struct {
    Member *members;
    Py_ssize_t count, *slots; /* numbers of members by their hash, or -1 */
    size_t mask;
    int kind;
} Level;

typedef struct {
    PyObject *told; /* holds the keys' bytes */
    Level *levels;
    Py_ssize_t count;
    uint64_t *met, objects; /* keys with the objects that have them, as one number; how many objects there were */
    size_t filled;
    int busy;
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

/* ---- JSON's grammar: where a thing ends that begins at `p`; NULL where it is not valid */
static inline int is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline Text blanks(Text p, Text end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* To the first byte that does not plainly stand for itself in a string: a quote, a backslash, a control, or one beyond ASCII. */
static inline Text plain(Text p, Text end)
{
#if defined(__SSE2__) && defined(__GNUC__)
    for (; end - p >= 16; p += 16) {
        __m128i some = _mm_loadu_si128((const __m128i *)p);
        __m128i stops = _mm_cmplt_epi8(some, _mm_set1_epi8(' ')); /* signed: those beyond ASCII, too */
        stops = _mm_or_si128(stops, _mm_cmpeq_epi8(some, _mm_set1_epi8('"')));
        stops = _mm_or_si128(stops, _mm_cmpeq_epi8(some, _mm_set1_epi8('\\')));
        unsigned mask = (unsigned)_mm_movemask_epi8(stops);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Four hexadecimal digits; -1 where they are not. */
static int hexadecimal(Text p, Text end)
{
    int code = 0;
    if (end - p < 4)
        return -1;
    for (Text last = p + 4; p < last; p++) {
        int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : *p >= 'A' && *p <= 'F' ? *p - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* Behind the backslash. Half a surrogate pair is left to Python. */
static Text escaped(Text p, Text end)
{
    if (p == end)
        return NULL;
    if (*p != 'u')
        return memchr("\"\\/bfnrt", *p, 8) ? p + 1 : NULL;
    int code = hexadecimal(p + 1, end);
    if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF))
        return NULL;
    p += 5;
    if (code < 0xD800 || code > 0xDBFF)
        return p;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return NULL;
    code = hexadecimal(p + 2, end);
    return code >= 0xDC00 && code <= 0xDFFF ? p + 6 : NULL;
}

/* One character beyond ASCII: the well-formed byte sequences of Unicode, table 3-7. */
static Text wide(Text p, Text end)
{
    Py_ssize_t size = *p >= 0xC2 && *p <= 0xDF ? 2 : (*p & 0xF0) == 0xE0 ? 3 : *p >= 0xF0 && *p <= 0xF4 ? 4 : 0;
    if (!size || end - p < size)
        return NULL;
    unsigned char low = *p == 0xE0 ? 0xA0 : *p == 0xF0 ? 0x90 : 0x80, high = *p == 0xED ? 0x9F : *p == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return NULL;
    for (Py_ssize_t i = 2; i < size; i++)
        if (p[i] < 0x80 || p[i] > 0xBF)
            return NULL;
    return p + size;
}

/* From behind the opening quote to the closing one; `escapes`: may there be any? */
static inline Text closing(Text p, Text end, int escapes)
{
    for (;;) {
        p = plain(p, end);
        if (p == end || *p < ' ')
            return NULL;
        if (*p == '"')
            return p;
        if (*p == '\\' && !escapes)
            return NULL;
        p = *p == '\\' ? escaped(p + 1, end) : wide(p, end);
        if (!p)
            return NULL;
    }
}

static Text digits(Text p, Text end)
{
    Text start = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == start ? NULL : p;
}

static Text number(Text p, Text end)
{
    if (p < end && *p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else if (!(p = digits(p, end)))
        return NULL;
    if (p < end && *p == '.' && !(p = digits(p + 1, end)))
        return NULL;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = digits(p, end);
    }
    return p;
}

static Text word(Text p, Text end, const char *expected, Py_ssize_t size)
{
    return end - p >= size && !memcmp(p, expected, (size_t)size) ? p + size : NULL;
}

static inline Text scalar(Text p, Text end)
{
    if (p == end)
        return NULL;
    switch (*p) {
    case '"':
        p = closing(p + 1, end, 1);
        return p ? p + 1 : NULL;
    case 't':
        return word(p, end, "true", 4);
    case 'f':
        return word(p, end, "false", 5);
    case 'n':
        return word(p, end, "null", 4);
    default:
        return number(p, end);
    }
}

/* From a key's opening quote to its closing one; no key is escaped. */
static inline Text key_end(Text p, Text end)
{
    return p < end && *p == '"' ? closing(p + 1, end, 0) : NULL;
}

/* From behind a key to its value. */
static inline Text behind_colon(Text p, Text end)
{
    p = blanks(p, end);
    return p < end && *p == ':' ? blanks(p + 1, end) : NULL;
}

/* A value that is not opened, with no key twice in it at any depth. */
static Text value(Walk *w, Text p)
{
    uint64_t around[DEEPEST]; /* the objects around, by their numbers; 0 for an array */
    Text end = w->end;
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
    return child < 0 ? value(w, p) : opened(w, &w->levels[child], p, depth + 1);
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
            p = value(w, p);
        } else {
            if (gap && !passed_gap(w, key, any))
                return NULL;
            gap = 0;
            if (action == RENAMED) {
                if (!same_to(w, key) || !follows(w, member->spelled, member->spelled_size))
                    return NULL;
                w->old = last + 1;
            }
            p = kept_to = value_by(w, member ? member->child : -1, p, depth);
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

/* A value that a level opens, or null, but for a line's own. */
static Text opened(Walk *w, Level *level, Text p, int depth)
{
    if (p == w->end || depth == DEEPEST)
        return NULL;
    if (*p == 'n' && depth)
        return word(p, w->end, "null", 4);
    if (*p != (level->kind == LIST ? '[' : '{'))
        return NULL;
    return level->kind == RECORD ? record(w, level, p, depth) : elements(w, level, p, depth);
}

static int line_proved(Walk *w, Text old, Text old_end, Text new, Text new_end)
{
    if (w->filled >= MOST) {
        memset(w->met, 0, SLOTS * sizeof *w->met);
        w->filled = 0;
    }
    w->end = old_end, w->old = old, w->new = new, w->new_end = new_end;
    Text last = opened(w, w->levels, old, 0);
    return last == old_end && same_to(w, last) && w->new == new_end;
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
    }
    free(w->levels);
    free(w->met);
    Py_XDECREF(w->told);
    free(w);
}

static void forget(PyObject *capsule)
{
    freed(PyCapsule_GetPointer(capsule, CAPSULE));
}

static int take_member(Member *member, PyObject *told, Py_ssize_t level, Py_ssize_t count)
{
    if (!PyTuple_Check(told) || !PyArg_ParseTuple(told, "y#iy#i", &member->key, &member->size, &member->action, &member->spelled,
                                                  &member->spelled_size, &member->child)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a member is told as a tuple");
        return 0;
    }
    /* a level that opened itself would lose sight of the keys of the object around */
    if (member->action < SAME || member->action > REFUSED || member->child < -1 || member->child >= count
        || (member->child >= 0 && member->child <= level)) {
        PyErr_SetString(PyExc_ValueError, "a member has no such action, or opens no later level");
        return 0;
    }
    member->hash = hash_of(member->key, member->size);
    return 1;
}

static int take_level(Level *level, PyObject *told, Py_ssize_t number, Py_ssize_t count)
{
    PyObject *members;
    if (!PyTuple_Check(told)) {
        PyErr_SetString(PyExc_TypeError, "a level is told as a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(told, "iO!", &level->kind, &PyTuple_Type, &members))
        return 0;
    level->count = PyTuple_Size(members);
    if (level->kind < RECORD || level->kind > MAP || (level->kind != RECORD && level->count != 1)) {
        PyErr_SetString(PyExc_ValueError, "there is no such kind of level");
        return 0;
    }
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
        if (!take_member(&level->members[i], PyTuple_GetItem(members, i), number, count))
            return 0;
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

/* (levels) → edits: of each level its kind and its members, each its old key, action, new key as it is spelled, and level or -1 */
static PyObject *edits(PyObject *module, PyObject *arguments)
{
    PyObject *told, *made = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!", &PyTuple_Type, &told))
        return NULL;
    Walk *w = calloc(1, sizeof *w);
    if (!w)
        return PyErr_NoMemory();
    w->told = Py_NewRef(told);
    w->count = PyTuple_Size(told);
    w->levels = calloc((size_t)w->count + 1, sizeof *w->levels);
    w->met = calloc(SLOTS, sizeof *w->met);
    if (!w->levels || !w->met)
        PyErr_NoMemory();
    else if (!w->count)
        PyErr_SetString(PyExc_ValueError, "nothing is opened");
    else {
        Py_ssize_t i = 0;
        while (i < w->count && take_level(&w->levels[i], PyTuple_GetItem(told, i), i, w->count))
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
 *    1 the old or 2 the new text has no whole line left, 3 the next line of both must be judged otherwise)
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

/* ---- the module */
static PyMethodDef methods[] = {
    {"edits", edits, METH_VARARGS, "(levels) -> edits, for one walk at a time"},
    {"proved", proved, METH_VARARGS, "(edits, old text, from, to, ends, new text, from, to, ends) -> (lines, old at, new at, why)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_json_edits", "Lines of JSON that were only edited; see json_edits.py.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__json_edits(void)
{
    PyObject *made = PyModule_Create(&definition);
    if (made && PyModule_AddIntConstant(made, "INTERFACE", 1) < 0) /* as in json_edits.py */
        Py_CLEAR(made);
    return made;
}
