/* The loops in plain C, for any CPU; the compiler vectorises what it can. */

#include "kernel.h"
#include "pairs.h"

#include <string.h>

static int supported(void) { return 1; }

static inline uint64_t load_word(const uint8_t *from) {
    uint64_t word;
    memcpy(&word, from, 8);
    return word;
}

static inline uint64_t popcount(uint64_t x) {
#if defined(__POPCNT__) || defined(__aarch64__)
    return (uint64_t)__builtin_popcountll(x);
#else
    /* Without the instruction the builtin is a call; this form is vectorised instead. */
    x -= x >> 1 & 0x5555555555555555;
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
    x += x >> 8;
    x += x >> 16;
    x += x >> 32;
    return x & 0x7f;
#endif
}

/* Distances of one chunk. */
static void chunk_distances(const uint8_t *planes, size_t stride, size_t words,
                            const uint64_t *query, uint16_t *out) {
    uint64_t sums[CHUNK] = {0};
    for (size_t w = 0; w < words; w++)
        for (size_t r = 0; r < CHUNK; r++)
            sums[r] += popcount(load_word(planes + (w * stride + r) * 8) ^ query[w]);
    for (size_t r = 0; r < CHUNK; r++)
        out[r] = (uint16_t)sums[r];
}

static void scan(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                 const uint64_t *query, unsigned limit, uint64_t *masks) {
    uint16_t distances[CHUNK];
    for (size_t c = 0; c < chunks; c++) {
        chunk_distances(planes + c * CHUNK * 8, stride, words, query, distances);
        uint64_t mask = 0;
        for (size_t r = 0; r < CHUNK; r++)
            mask |= (uint64_t)(distances[r] < limit) << r;
        masks[c] = mask;
    }
}

static void all_distances(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                          const uint64_t *query, const uint64_t *related, unsigned step,
                          uint16_t *out) {
    for (size_t c = 0; c < chunks; c++, out += CHUNK) {
        chunk_distances(planes + c * CHUNK * 8, stride, words, query, out);
        for (size_t r = 0; r < CHUNK; r++)
            out[r] = (uint16_t)(out[r] + (related[c] >> r & 1) * step);
    }
}

static void count(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                  const uint64_t *query, const uint64_t *related, kernel_pairs *pairs,
                  uint32_t *by_key) {
    uint16_t distances[CHUNK];
    uint8_t keys[CHUNK];
    for (size_t c = 0; c < chunks; c++) {
        chunk_distances(planes + c * CHUNK * 8, stride, words, query, distances);
        for (size_t r = 0; r < CHUNK; r++) {
            uint16_t distance = distances[r];
            if (distance == RELEVANT)
                count_farthest((uint64_t)1 << r, related[c], pairs);
            distance = (uint16_t)(distance - (distance == RELEVANT));
            keys[r] = (uint8_t)(distance | (related[c] >> r & 1) * RELEVANT);
        }
        count_chunk(keys, pairs->counts);
    }
    fold_pairs(pairs, 0, words * 64 < RELEVANT ? words * 64 : RELEVANT - 1, by_key);
}

const kernel_isa kernel_portable = {"portable", supported, scan, all_distances, count, NULL};
