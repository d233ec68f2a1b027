/* JSON's grammar (RFC 8259, UTF-8): where a thing ends that begins at `p`; NULL where it is not valid. Part of `_json_edits.c`.
 *
 * Nothing is read at `end` or behind it.
 */
#ifndef INSTAR_PROOF_JSON_GRAMMAR_H
#define INSTAR_PROOF_JSON_GRAMMAR_H
#include <Python.h>
#include <string.h>
#if defined(__SSE2__) && defined(__GNUC__)
#include <emmintrin.h>
#endif

typedef const unsigned char *Text;

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

#endif
