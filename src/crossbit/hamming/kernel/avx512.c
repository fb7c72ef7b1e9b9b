/* The loops for AVX-512 with VPOPCNTDQ: Intel from Ice Lake on, AMD from Zen 4 on. */

#if defined(__x86_64__)

#include "kernel.h"
#include "pairs.h"

#include <immintrin.h>

/* Bytes ahead that a scan asks for: with one query memory is what it waits for, and the CPU's own
 * reading ahead stops at the end of a page. Nothing is read there, so it may be past the end. One
 * chunk: on Zen 4 two were a fifth slower. */
#define SOON 512

#define TARGET \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vpopcntdq,avx512vbmi,avx512vbmi2")))
#define INLINE static inline TARGET __attribute__((always_inline))

static int supported(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vpopcntdq") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("bmi2");
}

/* Distances of 8 rows, one in each 64-bit lane. */
INLINE __m512i eight(const uint8_t *planes, size_t stride, size_t words, const __m512i *query) {
    __m512i sum = _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_loadu_si512(planes), query[0]));
    for (size_t w = 1; w < words; w++) {
        __m512i plane = _mm512_loadu_si512(planes + w * stride * 8);
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(plane, query[w])));
    }
    return sum;
}

/* Distances of 64 rows in bytes, for up to 255 bits. Counting and comparing compete for one port,
 * so eight vectors of counts are shifted into one, which another port does. Lane l then holds rows
 * l, 8 + l, 16 + l, ...: one permutation puts them in order. */
INLINE __m512i sixty_four(const uint8_t *planes, size_t stride, size_t words,
                          const __m512i *query, __m512i order) {
    __m512i merged = _mm512_setzero_si512();
    for (size_t j = 0; j < 8; j++)
        merged = _mm512_shrdi_epi64(merged, eight(planes + j * 64, stride, words, query), 8);
    return _mm512_permutexvar_epi8(order, merged);
}

/* Distances of 32 rows in 16 bits each, for any width. */
INLINE __m512i thirty_two(const uint8_t *planes, size_t stride, size_t words,
                          const __m512i *query, __m512i order) {
    __m512i merged = _mm512_setzero_si512();
    for (size_t j = 0; j < 4; j++)
        merged = _mm512_shrdi_epi64(merged, eight(planes + j * 64, stride, words, query), 16);
    return _mm512_permutexvar_epi16(order, merged);
}

INLINE __m512i byte_order(void) {
    uint8_t order[64];
    for (int r = 0; r < 64; r++)
        order[r] = (uint8_t)(r % 8 * 8 + r / 8);
    return _mm512_loadu_si512(order);
}

INLINE __m512i short_order(void) {
    uint16_t order[32];
    for (int r = 0; r < 32; r++)
        order[r] = (uint16_t)(r % 8 * 4 + r / 8);
    return _mm512_loadu_si512(order);
}

INLINE void spread(const uint64_t *query, size_t words, __m512i *out) {
    for (size_t w = 0; w < words; w++)
        out[w] = _mm512_set1_epi64((long long)query[w]);
}

INLINE void scan_bytes(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                       const uint64_t *query, unsigned limit, uint64_t *masks) {
    __m512i q[3], order = byte_order(), far = _mm512_set1_epi8((char)limit);
    spread(query, words, q);
    for (size_t c = 0; c < chunks; c++, planes += CHUNK * 8) {
        for (int line = 0; line < 8; line++)
            _mm_prefetch((const char *)planes + SOON + 64 * line, _MM_HINT_T0);
        masks[c] = _mm512_cmplt_epu8_mask(sixty_four(planes, stride, words, q, order), far);
    }
}

INLINE void scan_shorts(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                        const uint64_t *query, unsigned limit, uint64_t *masks) {
    __m512i q[MAX_WORDS], order = short_order(), far = _mm512_set1_epi16((short)limit);
    spread(query, words, q);
    for (size_t c = 0; c < chunks; c++, planes += CHUNK * 8) {
        __m512i low = thirty_two(planes, stride, words, q, order);
        __m512i high = thirty_two(planes + CHUNK * 4, stride, words, q, order);
        masks[c] = (uint64_t)_mm512_cmplt_epu16_mask(high, far) << 32 |
                   _mm512_cmplt_epu16_mask(low, far);
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
    __m512i q[MAX_WORDS], order = short_order(), more = _mm512_set1_epi16((short)step);
    spread(query, words, q);
    for (size_t c = 0; c < chunks; c++, planes += CHUNK * 8, out += CHUNK) {
        __m512i low = thirty_two(planes, stride, words, q, order);
        __m512i high = thirty_two(planes + CHUNK * 4, stride, words, q, order);
        __mmask32 low_related = (__mmask32)related[c], high_related = (__mmask32)(related[c] >> 32);
        _mm512_storeu_si512(out, _mm512_mask_add_epi16(low, low_related, low, more));
        _mm512_storeu_si512(out + 32, _mm512_mask_add_epi16(high, high_related, high, more));
    }
}

INLINE void count_words(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                        const uint64_t *query, const uint64_t *related, kernel_pairs *pairs,
                        uint32_t *by_key) {
    __m512i q[2], order = byte_order(), more = _mm512_set1_epi8((char)RELEVANT);
    __m512i most = _mm512_set1_epi8(RELEVANT - 1);
    __m512i low = most, high = _mm512_setzero_si512();
    uint8_t keys[AHEAD + 1][CHUNK], range[2][CHUNK];
    spread(query, words, q);
    for (size_t c = 0; c < chunks + AHEAD; c++, planes += CHUNK * 8) {
        if (c < chunks) {
            __m512i found = sixty_four(planes, stride, words, q, order);
            if (words == 2) {
                uint64_t farthest = _mm512_cmpgt_epu8_mask(found, most);
                if (farthest)
                    count_farthest(farthest, related[c], pairs);
                found = _mm512_min_epu8(found, most);
            }
            low = _mm512_min_epu8(low, found);
            high = _mm512_max_epu8(high, found);
            found = _mm512_mask_add_epi8(found, related[c], found, more);
            _mm512_storeu_si512(keys[c % (AHEAD + 1)], found);
        }
        if (c >= AHEAD)
            count_chunk(keys[(c - AHEAD) % (AHEAD + 1)], pairs->counts);
    }
    _mm512_storeu_si512(range[0], low);
    _mm512_storeu_si512(range[1], high);
    fold_pairs(pairs, least(range[0], CHUNK), greatest(range[1], CHUNK), by_key);
}

static TARGET void count(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                         const uint64_t *query, const uint64_t *related, kernel_pairs *pairs,
                         uint32_t *by_key) {
    if (words == 1)
        count_words(planes, stride, 1, chunks, query, related, pairs, by_key);
    else
        count_words(planes, stride, 2, chunks, query, related, pairs, by_key);
}

const kernel_isa kernel_avx512 = {"avx512", supported, scan, distances, count, sliced_histogram};

#endif
