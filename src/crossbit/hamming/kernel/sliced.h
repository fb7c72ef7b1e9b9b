/* What the parts of the bit-sliced histogram share: rows by parity, and distances as bit planes. */

#ifndef CROSSBIT_SLICED_H
#define CROSSBIT_SLICED_H

#include "kernel.h"

#include <immintrin.h>

#define TARGET \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vpopcntdq,avx512vbmi,bmi,bmi2,popcnt")))
#define INLINE static inline TARGET __attribute__((always_inline))

#define SLICE 512 /* rows in a vector of bits */
#define SLICE_CHUNKS (SLICE / CHUNK)
#define CARRIES 32 /* of each word of a code: distance = 2 * their sum + parity */
#define VARIANTS 8 /* of a carry, by three bits of the query */
#define HALVES (SLICED_WORDS * CARRIES) /* the greatest half distance: without its lowest bit */
#define HALF_PLANES(words) (4 + (words)) /* bits that hold all of these but the greatest */

/* The rows of a block whose codes have an even number of ones, then those with an odd one. Each
 * part ends in padding up to a whole slice: with codes 0 or 1, to keep the parity, and no label. */
typedef struct {
    size_t capacity;    /* rows, padding included: a multiple of 512 */
    uint64_t *codes;    /* word w of row r is codes[w * capacity + r] */
    uint64_t *labels;   /* bit r of labels[l * capacity / 64..]: row r has label l */
    uint64_t *parts[2]; /* scratch: the even and the odd rows of the block, a bit each */
    size_t slices[2], padding[2];
} parity_rows;

/* Fill `to` from a block that has at least 1,024 rows less than its capacity. */
void parity_split(const kernel_block *block, size_t words, const kernel_labels *labels,
                  parity_rows *to);

/* Bytes of the carries of a slice in all variants, and what writes them. */
#define TABLE_BYTES(words) ((words) * CARRIES * VARIANTS * sizeof(__m512i))
void slices_build(const uint64_t *codes, size_t stride, size_t words, uint8_t *table);

/* Where in such a table the carries of a query are. Returns the parity of the query. */
unsigned slices_choose(const uint64_t *query, size_t words, uint16_t *offsets);

/* Write planes of the half distances of a slice to some queries, one query after the other. The
 * greatest does not fit: it is written as one less, and far[i] set if query i has it. */
void slices_add(const uint8_t *table, const uint16_t *offsets, size_t words, size_t queries,
                __m512i *planes, uint8_t *far);

typedef struct {
    uint32_t total[HALVES + 1], relevant[HALVES + 1]; /* by half distance */
} half_counts;

/* Add the rows of some slices to the counts of a query: planes of slice s are at s * stride. */
void bins_add(const __m512i *planes, size_t stride, size_t words, size_t slices,
              const __m512i *related, half_counts *counts);

#endif
