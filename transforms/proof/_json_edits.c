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
#include "_json_walk.h"

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
