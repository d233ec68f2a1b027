/* The walk through an old line and the new one together, and through two texts line by line. Part of `_json_edits.c`. */
#ifndef INSTAR_PROOF_JSON_WALK_H
#define INSTAR_PROOF_JSON_WALK_H
#include "_json_keys.h"

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

/* A member's key, which no other of the object has: the level's own member of it, or NULL, what becomes of it, and where its value
 * begins; `last` is the key's closing quote.
 */
static inline Text named(Walk *w, Level *level, uint64_t object, Text key, Py_ssize_t *next, Text *last, Member **member, int *action)
{
    *last = key_end(key, w->end);
    if (!*last)
        return NULL;
    Py_ssize_t size = *last - key - 1;
    *member = member_of(level, key + 1, size, next);
    if (*member ? (*member)->seen == object : !is_first(w, object, key + 1, size))
        return NULL;
    if (*member)
        (*member)->seen = object;
    *action = *member ? (*member)->action : SAME;
    return *action == REFUSED ? NULL : behind_colon(*last + 1, w->end);
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
        Text key = p, last;
        Member *member;
        int action;
        p = named(w, level, object, p, &next, &last, &member, &action);
        if (!p)
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
        Text key = p, last;
        Member *member;
        int action;
        p = named(w, level, object, p, &next, &last, &member, &action);
        if (!p)
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

#endif
