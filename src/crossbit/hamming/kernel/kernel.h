/* What the parts of the Hamming kernel share: the blocks of codes and the table of each CPU's loops. */

#ifndef CROSSBIT_KERNEL_H
#define CROSSBIT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* A loop takes 64 rows at a time: a mask of 64 bits says which of them are near, or relevant. */
#define CHUNK 64
#define MAX_WORDS 16 /* 1024 bits */
#define MAX_BITS (MAX_WORDS * 64)
#define BLOCK_WORDS 4096 /* 32 KB: a block stays in the first cache while all queries pass it */
#define MAX_CHUNKS (BLOCK_WORDS / CHUNK)
#define SLICED_WORDS 2   /* the widest codes that sliced_histogram counts */

/* A key is a byte: the distance, at most 127, and 128 if the row is relevant. */
#define RELEVANT 128
typedef struct {
    uint16_t counts[1 << 16]; /* zero between calls */
    uint64_t farthest[2]; /* rows at distance 128, counted as 127 above: irrelevant, relevant */
} kernel_pairs;

/* Codes as they come: n rows of `bytes` bytes each, one after the other. */
typedef struct {
    const uint8_t *data;
    size_t n, bytes, words;
} kernel_codes;

/* Who has which of `count` labels: those of query i are ids[starts[i]..starts[i + 1]]; row r of the
 * database has label l where bit r of planes[l * stride..] is set. */
typedef struct {
    const int64_t *starts, *ids;
    const uint64_t *planes;
    size_t stride, count;
} kernel_labels;

/* Words are stored by plane: word w of row r of a block is word w * stride + r. Planes may lie at
 * any address: loops load them unaligned. All rows of all chunks can be read. */
typedef struct {
    const char *name;
    int (*supported)(void);

    /* Bit r of masks[c]: row 64 c + r is nearer to the query than limit (at most bits + 1). */
    void (*scan)(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                 const uint64_t *query, unsigned limit, uint64_t *masks);

    /* Distance of every row, plus step where the row's bit in related is set. */
    void (*distances)(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                      const uint64_t *query, const uint64_t *related, unsigned step,
                      uint16_t *out);

    /* Add the rows of whole chunks, one or two words wide, to counts by key (see pairs.h). */
    void (*count)(const uint8_t *planes, size_t stride, size_t words, size_t chunks,
                  const uint64_t *query, const uint64_t *related, kernel_pairs *pairs,
                  uint32_t *by_key);

    /* A faster kernel_histogram for many queries and codes of up to SLICED_WORDS words, or NULL. */
    int (*histogram)(const kernel_codes *queries, const kernel_codes *database,
                     const kernel_labels *labels, int64_t *relevant, int64_t *total);
} kernel_isa;

extern const kernel_isa kernel_portable;
#if defined(__x86_64__)
extern const kernel_isa kernel_avx2;
extern const kernel_isa kernel_avx512;

int sliced_histogram(const kernel_codes *queries, const kernel_codes *database,
                     const kernel_labels *labels, int64_t *relevant, int64_t *total);
#endif

typedef struct {
    const uint8_t *planes;
    size_t stride, first, rows, chunks;
} kernel_block;

kernel_codes codes_of(const uint8_t *data, size_t n, size_t bytes);

/* Queries as words, zero-padded; NULL if memory is out. Row i starts at word i * words. */
uint64_t *codes_words(const kernel_codes *codes);

/* Rows of a block of at most block_words words: whole chunks. */
size_t block_rows(const kernel_codes *codes, size_t block_words);

/* Read `rows` rows (or what is left) from `first`, a multiple of 64. Full chunks of 64-bit codes
 * stay where they are; everything else goes to scratch, whole chunks of `words` words a row. */
kernel_block block_read(const kernel_codes *codes, size_t first, size_t rows, uint64_t *scratch);

/* Bits of the last chunk that are rows. */
static inline uint64_t tail_mask(const kernel_block *block) {
    size_t left = block->rows % CHUNK;
    return left ? ((uint64_t)1 << left) - 1 : ~(uint64_t)0;
}

/* A key orders by distance, then position; positions stay below 2^48. */
#define KEY_SHIFT 48
#define KEY(distance, position) ((uint64_t)(distance) << KEY_SHIFT | (uint64_t)(position))
#define KEY_DISTANCE(key) ((size_t)((key) >> KEY_SHIFT))
#define KEY_POSITION(key) ((int64_t)((key) & (((uint64_t)1 << KEY_SHIFT) - 1)))

/* Write the first `wanted` keys by distance; keys of one distance keep their order. counts holds
 * how many keys there are of each distance up to bits, and is spent. */
void keys_sort(const uint64_t *keys, size_t n, size_t *counts, size_t bits, size_t wanted,
               int32_t *distances, int64_t *positions);

/* The k nearest of every query, k from 1 to the number of (allowed) rows. allowed is NULL or a bit
 * per row in 64-bit words. Returns -1 if memory is out. */
int kernel_topk(const kernel_isa *isa, const kernel_codes *queries, const kernel_codes *database,
                size_t k, const uint64_t *allowed, int32_t *distances, int64_t *positions);

/* All rows nearer than limit. */
typedef struct {
    uint64_t *keys;
    size_t filled, capacity;
} kernel_hits;

int kernel_within(const kernel_isa *isa, const kernel_codes *queries, const kernel_codes *database,
                  unsigned limit, kernel_hits *hits);

/* Add to `relevant` and `total`, (q, bits + 1) each. Returns -1 if memory is out. */
int kernel_histogram(const kernel_isa *isa, const kernel_codes *queries,
                     const kernel_codes *database, const kernel_labels *labels,
                     int64_t *relevant, int64_t *total);

#endif
