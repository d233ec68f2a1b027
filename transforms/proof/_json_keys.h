/* What the walk is told of members, what it knows of the line at hand, and the keys of each object, of which none may be there twice.
 * Part of `_json_edits.c`.
 */
#ifndef INSTAR_PROOF_JSON_KEYS_H
#define INSTAR_PROOF_JSON_KEYS_H
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

#endif
