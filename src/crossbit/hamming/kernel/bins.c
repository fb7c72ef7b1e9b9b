/* Rows counted by half distance from bit planes: eight bins at a time, and only where rows are. */

#if defined(__x86_64__)

#include "sliced.h"

/* Rows whose half distance is from 8 * group on: the planes above the lowest three decide. */
INLINE __m512i members(const __m512i *planes, size_t words, const int group) {
    __m512i top = words == 2 ? planes[5] : _mm512_setzero_si512();
    switch (group) {
#define ROWS(g) \
    case g: \
        return _mm512_ternarylogic_epi64(top, planes[4], planes[3], 1 << g)
        ROWS(0);
        ROWS(1);
        ROWS(2);
        ROWS(3);
        ROWS(4);
        ROWS(5);
        ROWS(6);
    default:
        return _mm512_ternarylogic_epi64(top, planes[4], planes[3], 1 << 7);
    }
}

/* Mark the groups that have rows. Those that have few get a mark in *sparse too. */
INLINE unsigned used_groups(const __m512i *planes, size_t stride, size_t words, size_t slices,
                            unsigned *sparse) {
    __m512i seen[8];
    unsigned used = 0, groups = 4 * (unsigned)words;
    for (unsigned g = 0; g < groups; g++)
        seen[g] = _mm512_setzero_si512();
    for (size_t s = 0; s < slices; s++, planes += stride) {
        if (words == 1) { /* seen | members in one operation */
            seen[0] = _mm512_ternarylogic_epi64(seen[0], planes[4], planes[3], 0xf1);
            seen[1] = _mm512_ternarylogic_epi64(seen[1], planes[4], planes[3], 0xf2);
            seen[2] = _mm512_ternarylogic_epi64(seen[2], planes[4], planes[3], 0xf4);
            seen[3] = _mm512_ternarylogic_epi64(seen[3], planes[4], planes[3], 0xf8);
        } else {
#pragma GCC unroll 8
            for (int g = 0; g < 8; g++)
                seen[g] = _mm512_or_si512(seen[g], members(planes, 2, g));
        }
    }
    *sparse = 0;
    for (unsigned g = 0; g < groups; g++) {
        unsigned lanes = _mm512_test_epi64_mask(seen[g], seen[g]);
        used |= (unsigned)(lanes != 0) << g;
        *sparse |= (unsigned)(lanes != 0xff) << g;
    }
    return used;
}

/* counts[i] += rows of `some` that have all the bits of i, of which there are a, b and c. */
INLINE void count_sets(__m512i *counts, __m512i some, __m512i a, __m512i b, __m512i c) {
    __m512i sa = _mm512_and_si512(some, a), sb = _mm512_and_si512(some, b);
    __m512i sc = _mm512_and_si512(some, c), sab = _mm512_and_si512(sa, b);
    counts[0] = _mm512_add_epi64(counts[0], _mm512_popcnt_epi64(some));
    counts[1] = _mm512_add_epi64(counts[1], _mm512_popcnt_epi64(sa));
    counts[2] = _mm512_add_epi64(counts[2], _mm512_popcnt_epi64(sb));
    counts[3] = _mm512_add_epi64(counts[3], _mm512_popcnt_epi64(sab));
    counts[4] = _mm512_add_epi64(counts[4], _mm512_popcnt_epi64(sc));
    counts[5] = _mm512_add_epi64(counts[5], _mm512_popcnt_epi64(_mm512_and_si512(sa, c)));
    counts[6] = _mm512_add_epi64(counts[6], _mm512_popcnt_epi64(_mm512_and_si512(sb, c)));
    counts[7] = _mm512_add_epi64(counts[7], _mm512_popcnt_epi64(_mm512_and_si512(sab, c)));
}

INLINE __m512i add_lanes(__m512i a, __m512i b) {
    return _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

INLINE __m512i add_pairs(__m512i a, __m512i b) {
    return _mm512_add_epi64(_mm512_shuffle_i64x2(a, b, 0x88), _mm512_shuffle_i64x2(a, b, 0xdd));
}

/* Add to eight bins. Lane i becomes the sum of counts[i]; then those that have bit k besides are
 * taken away from those counted without it, so that lane i has the rows of just these bits. */
INLINE void add_eight(const __m512i *counts, uint32_t *bins) {
    __m512i low = add_pairs(add_lanes(counts[0], counts[1]), add_lanes(counts[2], counts[3]));
    __m512i high = add_pairs(add_lanes(counts[4], counts[5]), add_lanes(counts[6], counts[7]));
    __m512i sum = add_pairs(low, high);
    sum = _mm512_mask_sub_epi64(sum, 0x55, sum, _mm512_permutex_epi64(sum, 0xb1));
    sum = _mm512_mask_sub_epi64(sum, 0x33, sum, _mm512_permutex_epi64(sum, 0x4e));
    sum = _mm512_mask_sub_epi64(sum, 0x0f, sum, _mm512_shuffle_i64x2(sum, sum, 0x4e));
    __m256i before = _mm256_loadu_si256((const __m256i *)bins);
    before = _mm256_add_epi32(before, _mm512_cvtepi64_epi32(sum));
    _mm256_storeu_si256((__m256i *)bins, before);
}

INLINE void count_group(const __m512i *planes, size_t stride, size_t words, size_t slices,
                        const __m512i *related, const int group, int sparse, half_counts *to) {
    __m512i all[8], mates[8];
    for (int i = 0; i < 8; i++)
        all[i] = mates[i] = _mm512_setzero_si512();
    for (size_t s = 0; s < slices; s++, planes += stride) {
        __m512i some = members(planes, words, group);
        if (sparse && !_mm512_test_epi64_mask(some, some))
            continue;
        count_sets(all, some, planes[0], planes[1], planes[2]);
        some = _mm512_and_si512(some, related[s]);
        count_sets(mates, some, planes[0], planes[1], planes[2]);
    }
    add_eight(all, to->total + 8 * group);
    add_eight(mates, to->relevant + 8 * group);
}

/* With a fixed group `members` is one operation. */
INLINE void count_groups(const __m512i *planes, size_t stride, size_t words, size_t slices,
                         const __m512i *related, half_counts *to) {
    unsigned sparse, used = used_groups(planes, stride, words, slices, &sparse);
#pragma GCC unroll 8
    for (int g = 0; g < 4 * (int)words; g++)
        if (used >> g & 1)
            count_group(planes, stride, words, slices, related, g, sparse >> g & 1, to);
}

TARGET void bins_add(const __m512i *planes, size_t stride, size_t words, size_t slices,
                     const __m512i *related, half_counts *counts) {
    if (words == 1)
        count_groups(planes, stride, 1, slices, related, counts);
    else
        count_groups(planes, stride, 2, slices, related, counts);
}

#endif
