/* JSON's grammar (RFC 8259), in UTF-8: each function takes where a thing begins, and returns where it ends, NULL where it is not
 * valid. Every read is within the bounds of the text, and nothing recurs.
 */
#ifndef INSTAR_JSON_GRAMMAR
#define INSTAR_JSON_GRAMMAR

#include <Python.h>
#include <stdint.h>
#include <string.h>

typedef const unsigned char *Text;

enum { DEEPEST = 256 }; /* containers around a value */

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

#endif
