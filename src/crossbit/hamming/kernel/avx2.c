/* The loops for AVX2, which counts bits by looking up half bytes. */

#if defined(__x86_64__)

#include "kernel.h"
#include "pairs.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
#define INLINE static inline TARGET __attribute__((always_inline))

static int supported(void) { return __builtin_cpu_supports("avx2"); }

INLINE __m256i load(const uint8_t *from) { return _mm256_loadu_si256((const __m256i *)from); }

/* Set bits of every byte. */
INLINE __m256i count_bytes(__m256i x) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, /**/
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i half = _mm256_set1_epi8(15);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), half);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, half)),
                           _mm256_shuffle_epi8(table, high));
}

/* Distances of 4 rows, one in each 64-bit lane. 16 words add up to 128 in a byte at most. */
INLINE __m256i four(const uint8_t *planes, size_t stride, size_t words, const __m256i *query) {
    __m256i sum = count_bytes(_mm256_xor_si256(load(planes), query[0]));
    for (size_t w = 1; w < words; w++)
        sum = _mm256_add_epi8(
            sum, count_bytes(_mm256_xor_si256(load(planes + w * stride * 8), query[w])));
    return _mm256_sad_epu8(sum, _mm256_setzero_si256());
}

/* Lane l holds rows l, 4 + l, ...: gather the low and the high halves of the lanes, then put the
 * rows of each half in order. */
INLINE __m256i in_order(__m256i merged, __m256i order) {
    const __m256i halves = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    return _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(merged, halves), order);
}

/* Distances of 32 rows in bytes, for up to 255 bits. */
INLINE __m256i thirty_two(const uint8_t *planes, size_t stride, size_t words,
                          const __m256i *query) {
    const __m256i order = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, /**/
                                           0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m256i merged = four(planes, stride, words, query);
    for (int j = 1; j < 8; j++) {
        __m256i next = four(planes + j * 32, stride, words, query);
        merged = _mm256_or_si256(merged, _mm256_slli_epi64(next, 8 * j));
    }
    return in_order(merged, order);
}

/* Distances of 16 rows in 16 bits each, for any width. */
INLINE __m256i sixteen(const uint8_t *planes, size_t stride, size_t words, const __m256i *query) {
    const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, /**/
                                           0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    __m256i merged = four(planes, stride, words, query);
    for (int j = 1; j < 4; j++) {
        __m256i next = four(planes + j * 32, stride, words, query);
        merged = _mm256_or_si256(merged, _mm256_slli_epi64(next, 16 * j));
    }
    return in_order(merged, order);
}

INLINE void spread(const uint64_t *query, size_t words, __m256i *out) {
    for (size_t w = 0; w < words; w++)
        out[w] = _mm256_set1_epi64x((long long)query[w]);
}

INLINE void scan_bytes(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                       const uint64_t *query, unsigned limit, uint64_t *masks) {
    __m256i q[3], far = _mm256_set1_epi8((char)limit);
    spread(query, words, q);
    for (size_t c = 0; c < chunks; c++, planes += CHUNK * 8) {
        uint64_t mask = 0;
        for (int half = 0; half < 2; half++) {
            __m256i found = thirty_two(planes + half * 256, stride, words, q);
            /* Unsigned bytes: found >= far where the greater of both is found. */
            __m256i no = _mm256_cmpeq_epi8(_mm256_max_epu8(found, far), found);
            mask |= (uint64_t)~(uint32_t)_mm256_movemask_epi8(no) << (32 * half);
        }
        masks[c] = mask;
    }
}

INLINE void scan_shorts(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                        const uint64_t *query, unsigned limit, uint64_t *masks) {
    __m256i q[MAX_WORDS], far = _mm256_set1_epi16((short)limit);
    spread(query, words, q);
    for (size_t c = 0; c < chunks; c++, planes += CHUNK * 8) {
        uint64_t mask = 0;
        for (int half = 0; half < 2; half++) {
            const uint8_t *here = planes + half * 256;
            __m256i low = _mm256_cmpgt_epi16(far, sixteen(here, stride, words, q));
            __m256i high = _mm256_cmpgt_epi16(far, sixteen(here + 128, stride, words, q));
            /* Packing works in 128-bit halves: undo that. */
            __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8);
            mask |= (uint64_t)(uint32_t)_mm256_movemask_epi8(packed) << (32 * half);
        }
        masks[c] = mask;
    }
}

static TARGET void scan(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                        const uint64_t *query, unsigned limit, uint64_t *masks) {
    /* A fixed number of words keeps the query in registers. */
    if (words == 1)
        scan_bytes(planes, stride, 1, chunks, query, limit, masks);
    else if (words == 2)
        scan_bytes(planes, stride, 2, chunks, query, limit, masks);
    else if (words == 3)
        scan_bytes(planes, stride, 3, chunks, query, limit, masks);
    else if (words == 4)
        scan_shorts(planes, stride, 4, chunks, query, limit, masks);
    else
        scan_shorts(planes, stride, words, chunks, query, limit, masks);
}

static TARGET void distances(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                             const uint64_t *query, const uint64_t *related, unsigned step,
                             uint16_t *out) {
    __m256i q[MAX_WORDS], more = _mm256_set1_epi16((short)step);
    const __m256i bit = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
                                          8192, 16384, (short)32768);
    spread(query, words, q);
    for (size_t i = 0; i < chunks * 4; i++, planes += 128, out += 16) {
        __m256i mask = _mm256_set1_epi16((short)(related[i / 4] >> (i % 4 * 16)));
        __m256i is_related = _mm256_cmpeq_epi16(_mm256_and_si256(mask, bit), bit);
        __m256i found = sixteen(planes, stride, words, q);
        found = _mm256_add_epi16(found, _mm256_and_si256(is_related, more));
        _mm256_storeu_si256((__m256i *)out, found);
    }
}

/* 0xff in the bytes of 32 rows whose bits are set. */
INLINE __m256i spread_bits(uint32_t bits) {
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    /* Every byte of the mask goes to the eight rows that it stands for. */
    const __m256i owner = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                             0x0303030303030303);
    __m256i mask = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), owner);
    return _mm256_cmpeq_epi8(_mm256_and_si256(mask, bit), bit);
}

INLINE void count_words(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                        const uint64_t *query, const uint64_t *related, kernel_pairs *pairs,
                        uint32_t *by_key) {
    __m256i q[2];
    const __m256i more = _mm256_set1_epi8((char)RELEVANT);
    const __m256i most = _mm256_set1_epi8(RELEVANT - 1);
    __m256i low = most, high = _mm256_setzero_si256();
    uint8_t keys[AHEAD + 1][CHUNK], range[2][CHUNK / 2];
    spread(query, words, q);
    for (size_t c = 0; c < chunks + AHEAD; c++, planes += CHUNK * 8) {
        for (int half = 0; half < 2 && c < chunks; half++) {
            __m256i found = thirty_two(planes + half * 256, stride, words, q);
            uint32_t bits = (uint32_t)(related[c] >> (32 * half));
            if (words == 2) {
                uint32_t farthest = (uint32_t)_mm256_movemask_epi8(found); /* only 128 has bit 7 */
                if (farthest)
                    count_farthest(farthest, bits, pairs);
                found = _mm256_min_epu8(found, most);
            }
            low = _mm256_min_epu8(low, found);
            high = _mm256_max_epu8(high, found);
            found = _mm256_or_si256(found, _mm256_and_si256(spread_bits(bits), more));
            _mm256_storeu_si256((__m256i *)(keys[c % (AHEAD + 1)] + 32 * half), found);
        }
        if (c >= AHEAD)
            count_chunk(keys[(c - AHEAD) % (AHEAD + 1)], pairs->counts);
    }
    _mm256_storeu_si256((__m256i *)range[0], low);
    _mm256_storeu_si256((__m256i *)range[1], high);
    fold_pairs(pairs, least(range[0], CHUNK / 2), greatest(range[1], CHUNK / 2), by_key);
}

static TARGET void count(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                         const uint64_t *query, const uint64_t *related, kernel_pairs *pairs,
                         uint32_t *by_key) {
    if (words == 1)
        count_words(planes, stride, 1, chunks, query, related, pairs, by_key);
    else
        count_words(planes, stride, 2, chunks, query, related, pairs, by_key);
}

const kernel_isa kernel_avx2 = {"avx2", supported, scan, distances, count, NULL};

#endif
