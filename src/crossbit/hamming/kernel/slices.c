/* Distances to 512 rows at a time as bit planes: what a query adds up is looked up in a table.
 *
 * A full adder takes three bits of one weight to their parity and a carry. 64 bits and a zero pass
 * 32 of them until one bit is left, so distance = 2 * (sum of 32 carries) + parity. The parities
 * of a query and a row come together by xor: each is that of the row, turned over or not, and need
 * not be added. Hence a carry depends on the row and three parities of the query: eight variants,
 * worked out once for all queries. */

#if defined(__x86_64__)

#include "sliced.h"

/* Bit j of code r of 64 becomes bit r of out[j * SLICE_CHUNKS]. */
static TARGET void transpose(const uint64_t *codes, uint64_t *out) {
    /* Byte 8 i + j goes to 8 j + i. */
    uint8_t turned[64];
    for (int i = 0; i < 64; i++)
        turned[i] = (uint8_t)(i % 8 * 8 + i / 8);
    __m512i turn = _mm512_loadu_si512(turned);
    uint64_t bits[8][8]; /* [k][i]: bit k of the bytes of rows 8 i on, 8 rows of each byte */
    for (int i = 0; i < 8; i++) {
        __m512i rows = _mm512_permutexvar_epi8(turn, _mm512_loadu_si512(codes + 8 * i));
        for (int k = 7; k >= 0; k--, rows = _mm512_add_epi8(rows, rows))
            bits[k][i] = _mm512_movepi8_mask(rows);
    }
    for (int k = 0; k < 8; k++) {
        uint64_t planes[8];
        __m512i rows = _mm512_permutexvar_epi8(turn, _mm512_loadu_si512(bits[k]));
        _mm512_storeu_si512(planes, rows);
        for (int j = 0; j < 8; j++)
            out[(8 * j + k) * SLICE_CHUNKS] = planes[j];
    }
}

TARGET void slices_build(const uint64_t *codes, size_t stride, size_t words, uint8_t *table) {
    __m512i planes[SLICED_WORDS * (64 + CARRIES) + 1];
    __m512i *to = (__m512i *)table, ones = _mm512_set1_epi64(-1);
    for (size_t w = 0; w < words; w++)
        for (size_t c = 0; c < SLICE_CHUNKS; c++)
            transpose(codes + w * stride + c * CHUNK,
                      (uint64_t *)(planes + w * 64) + c);
    __m512i *last = planes + words * 64, *three = planes;
    *last = _mm512_setzero_si512();
    for (size_t i = 0; i < words * CARRIES; i++, three += 3) {
        for (int variant = 0; variant < VARIANTS; variant++) {
            __m512i a = _mm512_xor_si512(three[0], variant & 1 ? ones : _mm512_setzero_si512());
            __m512i b = _mm512_xor_si512(three[1], variant & 2 ? ones : _mm512_setzero_si512());
            __m512i c = _mm512_xor_si512(three[2], variant & 4 ? ones : _mm512_setzero_si512());
            *to++ = _mm512_ternarylogic_epi64(a, b, c, 0xe8);
        }
        *++last = _mm512_ternarylogic_epi64(three[0], three[1], three[2], 0x96);
    }
}

unsigned slices_choose(const uint64_t *query, size_t words, uint16_t *offsets) {
    uint8_t bits[SLICED_WORDS * (64 + CARRIES) + 1], *last = bits + words * 64, *three = bits;
    for (size_t j = 0; j < words * 64; j++)
        bits[j] = query[j / 64] >> j % 64 & 1;
    *last = 0;
    for (size_t i = 0; i < words * CARRIES; i++, three += 3) {
        unsigned variant = three[0] | three[1] << 1 | three[2] << 2;
        offsets[i] = (uint16_t)((i * VARIANTS + variant) * sizeof(__m512i));
        *++last = three[0] ^ three[1] ^ three[2];
    }
    return *last;
}

/* Sums so far; the numbers to add, and how many were. */
typedef struct {
    const uint8_t *table;
    const uint16_t *offsets;
    __m512i *sums;
} adder;

INLINE __m512i look_up(const adder *add, size_t i) {
    return _mm512_load_si512(add->table + add->offsets[i]);
}

/* a + b + *sum = *sum + 2 * the result. Only one of three operations has three inputs: these write
 * over one of them, and a copy of it would be a fourth. */
INLINE __m512i full_add(__m512i *sum, __m512i a, __m512i b) {
    __m512i either = _mm512_xor_si512(a, b), before = *sum;
    *sum = _mm512_xor_si512(either, before);
    return _mm512_ternarylogic_epi64(either, before, a, 0xca); /* either ? before : a */
}

/* The same where *sum is zero as yet. */
INLINE __m512i half_add(__m512i *sum, __m512i a, __m512i b) {
    *sum = _mm512_xor_si512(a, b);
    return _mm512_and_si512(a, b);
}

INLINE __m512i add(__m512i *sum, __m512i a, __m512i b, int first) {
    return first ? half_add(sum, a, b) : full_add(sum, a, b);
}

INLINE __m512i add2(const adder *to, size_t i) {
    return add(to->sums, look_up(to, i), look_up(to, i + 1), i == 0);
}

INLINE __m512i add4(const adder *to, size_t i) {
    __m512i a = add2(to, i), b = add2(to, i + 2);
    return add(to->sums + 1, a, b, i == 0);
}

INLINE __m512i add8(const adder *to, size_t i) {
    __m512i a = add4(to, i), b = add4(to, i + 4);
    return add(to->sums + 2, a, b, i == 0);
}

INLINE __m512i add16(const adder *to, size_t i) {
    __m512i a = add8(to, i), b = add8(to, i + 8);
    return add(to->sums + 3, a, b, i == 0);
}

INLINE __m512i add32(const adder *to, size_t i) {
    __m512i a = add16(to, i), b = add16(to, i + 16);
    return add(to->sums + 4, a, b, i == 0);
}

/* Inlined with a fixed number of words, so that sums stay in registers. */
INLINE void add_all(const uint8_t *table, const uint16_t *offsets, size_t words, size_t queries,
                    __m512i *planes, uint8_t *far) {
    size_t n = HALF_PLANES(words);
    for (size_t i = 0; i < queries; i++, planes += n) {
        __m512i sums[HALF_PLANES(SLICED_WORDS)];
        adder to = {table, offsets + i * words * CARRIES, sums};
        __m512i over = add32(&to, 0);
        if (words == 2)
            over = half_add(sums + 5, over, add32(&to, CARRIES));
        for (size_t j = 0; j < n; j++)
            planes[j] = sums[j];
        if (__builtin_expect(_mm512_test_epi64_mask(over, over), 0)) {
            far[i] = 1;
            for (size_t j = 0; j < n; j++)
                planes[j] = _mm512_or_si512(sums[j], over);
        }
    }
}

TARGET void slices_add(const uint8_t *table, const uint16_t *offsets, size_t words,
                       size_t queries, __m512i *planes, uint8_t *far) {
    if (words == 1)
        add_all(table, offsets, 1, queries, planes, far);
    else
        add_all(table, offsets, 2, queries, planes, far);
}

#endif
