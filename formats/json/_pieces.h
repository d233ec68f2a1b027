/* What a record's new text consists of: pieces of the old one, of texts that are put in, and holes for what is computed. */
#ifndef INSTAR_JSON_PIECES
#define INSTAR_JSON_PIECES

#include "_members.h"

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

#endif
