/* Counting by pairs: one increment for two neighbouring rows, in a table of their two keys. */

#ifndef CROSSBIT_PAIRS_H
#define CROSSBIT_PAIRS_H

#include "kernel.h"

#include <string.h>

#define PAIRS_INLINE static inline __attribute__((always_inline))

/* A CPU stores once in a cycle, so increments are what a histogram costs. The loops over distances
 * take turns with this, some chunks ahead of it: their work hides behind the increments, and the
 * keys, stored as a vector, have reached the cache when they are read one by one. */
#define AHEAD 3
PAIRS_INLINE void count_chunk(const uint8_t *keys, uint16_t *counts) {
    /* Compilers would take the keys from the vector that was just stored: with the very unit that
     * counts bits. Loads are free here. */
    __asm__ volatile("" : : "r"(keys) : "memory");
#pragma GCC unroll 32
    for (int i = 0; i < CHUNK; i += 2) {
        uint16_t pair;
        memcpy(&pair, keys + i, 2);
        counts[pair]++;
    }
}

/* Add the counts of pairs to those of single keys, and clear them. Distances in use are from low
 * to high: few of the possible ones, mostly. */
PAIRS_INLINE void fold_pairs(kernel_pairs *pairs, size_t low, size_t high, uint32_t *by_key) {
    enum { STEP = 32 }; /* a fixed number, so that compilers vectorise */
    for (size_t second = low; second <= RELEVANT + high; second++) {
        if (second == high + 1)
            second = RELEVANT + low;
        uint32_t sum = 0;
        for (size_t first = low / STEP * STEP; first <= RELEVANT + high; first += STEP) {
            if (first % RELEVANT > high || first % RELEVANT + STEP <= low)
                continue;
            uint16_t *row = pairs->counts + second * 2 * RELEVANT + first;
            for (size_t i = 0; i < STEP; i++) {
                by_key[first + i] += row[i];
                sum += row[i];
            }
            memset(row, 0, STEP * sizeof *row);
        }
        by_key[second] += sum;
    }
}

PAIRS_INLINE size_t least(const uint8_t *values, size_t n) {
    uint8_t found = values[0];
    for (size_t i = 1; i < n; i++)
        found = values[i] < found ? values[i] : found;
    return found;
}

PAIRS_INLINE size_t greatest(const uint8_t *values, size_t n) {
    uint8_t found = values[0];
    for (size_t i = 1; i < n; i++)
        found = values[i] > found ? values[i] : found;
    return found;
}

/* Note the rows (bits of a mask) that lie at 128, the one distance that a key cannot hold. */
PAIRS_INLINE void count_farthest(uint64_t rows, uint64_t related, kernel_pairs *pairs) {
    pairs->farthest[1] += (uint64_t)__builtin_popcountll(rows & related);
    pairs->farthest[0] += (uint64_t)__builtin_popcountll(rows & ~related);
}

#endif
