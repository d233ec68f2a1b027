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
 *
 * `_grammar.h` is what valid JSON is, `_program.h` what Python tells, `_members.h` what is found in a record, `_pieces.h` what its new
 * text consists of, `_filling.h` that text; here they meet.
 */
#define PY_SSIZE_T_CLEAN
#include "_filling.h"
#include "_grammar.h"
#include "_members.h"
#include "_pieces.h"
#include "_program.h"

#define SPAN ((Py_ssize_t)(2 * sizeof(int64_t))) /* where a record begins and ends */

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
    PyObject *made = PyModule_Create(&definition);
    if (made && PyModule_AddIntConstant(made, "INTERFACE", 2) < 0) /* as in formats/compiled.py */
        Py_CLEAR(made);
    return made;
}
