/* The histogram of many queries: rows are not put into bins one by one, but bins counted at once.
 *
 * Distances come as bit planes of 512 rows (slices.c), from which bins are counted (bins.c). A
 * tile of slices passes all queries, so that tables and sums are worth their while, some of them
 * at a time, so that a table stays in the first cache and the planes stay in the second. */

#if defined(__x86_64__)

#include "sliced.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_ROWS 98304              /* codes of a block: 768 KB of each word */
#define LABEL_BYTES ((size_t)1 << 25) /* a block has fewer rows if its labels take more */
#define GROUP 4096                    /* queries that share the work on a block: 3 MB */
#define TILE_SLICES 16                /* a multiple of 4 */
#define TILE_QUERIES 64

typedef struct {
    size_t words, bits;
    const kernel_labels *labels;
    parity_rows rows;
    uint64_t *query;     /* all of them */
    uint64_t *scratch;   /* of block_read */
    uint16_t *offsets;   /* CARRIES for each word of each query of a group */
    uint8_t *parity;     /* of the same queries */
    half_counts *counts; /* of the same queries */
    uint8_t *tables;     /* of the slices of a tile */
    __m512i *planes;     /* of a tile: [slice][query], see PLANES_STRIDE */
} work;

/* With one query more than there are: at a distance of 2^n bytes, all planes of a query would share
 * a few lines of the first cache. */
#define PLANES_STRIDE(words) ((TILE_QUERIES + 1) * HALF_PLANES(words))

/* Rows that share a label with query i, in up to 3 slices more than asked for. */
static TARGET void relate(const work *on, size_t i, size_t slice, size_t slices,
                          __m512i *related) {
    const kernel_labels *labels = on->labels;
    const int64_t *ids = labels->ids + labels->starts[i];
    const int64_t *end = labels->ids + labels->starts[i + 1];
    size_t stride = on->rows.capacity / SLICE;
    const __m512i *bits = (const __m512i *)on->rows.labels + slice;
    for (size_t s = 0; s < slices; s += 4, bits += 4) {
        __m512i any[4];
        for (int j = 0; j < 4; j++)
            any[j] = _mm512_setzero_si512();
        for (const int64_t *id = ids; id < end; id++)
            for (int j = 0; j < 4; j++)
                any[j] = _mm512_or_si512(any[j], bits[(size_t)*id * stride + (size_t)j]);
        for (int j = 0; j < 4; j++)
            related[s + (size_t)j] = any[j];
    }
}

/* Rows at the greatest distance, which planes do not hold, have been counted with those at two
 * less: put that right. They are rare, but for codes that are far from random. */
static void count_farthest(const work *on, const uint64_t *query, size_t slice, size_t slices,
                           const uint64_t *related, half_counts *counts) {
    const uint64_t *codes = on->rows.codes + slice * SLICE;
    size_t last = on->words * CARRIES;
    for (size_t row = 0; row < slices * SLICE; row++) {
        int far = 1;
        for (size_t w = 0; w < on->words; w++)
            far &= codes[w * on->rows.capacity + row] == ~query[w];
        uint32_t mate = (uint32_t)(related[row / 64] >> row % 64) & (uint32_t)far;
        counts->total[last] += (uint32_t)far;
        counts->total[last - 1] -= (uint32_t)far;
        counts->relevant[last] += mate;
        counts->relevant[last - 1] -= mate;
    }
}

/* Count some slices for a group of queries from `first` on. */
static void count_tile(const work *on, size_t slice, size_t slices, size_t first, size_t queries) {
    size_t words = on->words, stride = PLANES_STRIDE(words);
    const uint64_t *codes = on->rows.codes + slice * SLICE;
    __m512i related[TILE_SLICES];
    for (size_t s = 0; s < slices; s++)
        slices_build(codes + s * SLICE, on->rows.capacity, words,
                     on->tables + s * TABLE_BYTES(words));
    for (size_t i = 0; i < queries; i += TILE_QUERIES) {
        size_t some = queries - i < TILE_QUERIES ? queries - i : TILE_QUERIES;
        uint8_t far[TILE_QUERIES] = {0};
        for (size_t s = 0; s < slices; s++)
            slices_add(on->tables + s * TABLE_BYTES(words), on->offsets + i * words * CARRIES,
                       words, some, on->planes + s * stride, far);
        for (size_t j = 0; j < some; j++) {
            half_counts *counts = on->counts + i + j;
            relate(on, first + i + j, slice, slices, related);
            bins_add(on->planes + j * HALF_PLANES(words), stride, words, slices, related, counts);
            if (far[j])
                count_farthest(on, on->query + (first + i + j) * words, slice, slices,
                               (const uint64_t *)related, counts);
        }
    }
}

/* Add the counts of a part to the results of query i, less its padding, and clear them. */
static TARGET void settle(const work *on, size_t i, unsigned part, unsigned parity,
                          half_counts *counts, int64_t *relevant, int64_t *total) {
    const uint64_t *query = on->query + i * on->words;
    size_t padding = (size_t)__builtin_popcountll(query[0] ^ part);
    for (size_t w = 1; w < on->words; w++)
        padding += (size_t)__builtin_popcountll(query[w]);
    relevant += i * (on->bits + 1);
    total += i * (on->bits + 1);
    total[padding] -= (int64_t)on->rows.padding[part];
    for (size_t half = 0, d = parity ^ part; d <= on->bits; half++, d += 2) {
        relevant[d] += counts->relevant[half];
        total[d] += counts->total[half];
    }
    memset(counts, 0, sizeof *counts);
}

static void count_group(const work *on, size_t first, size_t queries, int64_t *relevant,
                        int64_t *total) {
    size_t slice = 0;
    for (unsigned part = 0; part < 2; part++) {
        for (size_t left = on->rows.slices[part], n; left; left -= n, slice += n) {
            n = left < TILE_SLICES ? left : TILE_SLICES;
            count_tile(on, slice, n, first, queries);
        }
        for (size_t i = 0; i < queries; i++)
            settle(on, first + i, part, on->parity[i], on->counts + i, relevant, total);
    }
}

/* Vectors of a type, or NULL. */
static void *vectors(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

static int allocate(work *on, const kernel_codes *queries, size_t rows, size_t group) {
    size_t words = on->words, capacity = (rows + SLICE - 1) / SLICE * SLICE + 2 * SLICE;
    on->rows.capacity = capacity;
    on->rows.codes = vectors(words * capacity * 8);
    on->rows.labels = vectors(on->labels->count * (capacity / 8) + 3 * SLICE / 8); /* see relate */
    on->rows.parts[0] = malloc(rows / 8);
    on->rows.parts[1] = malloc(rows / 8);
    on->query = codes_words(queries);
    on->scratch = malloc(rows * words * 8);
    on->offsets = malloc(group * words * CARRIES * sizeof *on->offsets);
    on->parity = malloc(group);
    on->counts = calloc(group, sizeof *on->counts);
    on->tables = vectors(TILE_SLICES * TABLE_BYTES(words));
    on->planes = vectors(TILE_SLICES * PLANES_STRIDE(words) * sizeof *on->planes);
    return on->rows.codes && on->rows.labels && on->rows.parts[0] && on->rows.parts[1] &&
           on->query && on->scratch && on->offsets && on->parity && on->counts && on->tables &&
           on->planes;
}

static void release(work *on) {
    void *all[] = {on->rows.codes, on->rows.labels, on->rows.parts[0], on->rows.parts[1],
                   on->query,      on->scratch,     on->offsets,       on->parity,
                   on->counts,     on->tables,      on->planes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

int sliced_histogram(const kernel_codes *queries, const kernel_codes *database,
                     const kernel_labels *labels, int64_t *relevant, int64_t *total) {
    size_t words = database->words, q = queries->n, n = database->n;
    size_t rows = BLOCK_ROWS, group = q < GROUP ? q : GROUP;
    while (rows > SLICE && (rows / 2 >= n || labels->count * (rows / 8) > LABEL_BYTES))
        rows /= 2;
    work on = {.words = words, .bits = database->bytes * 8, .labels = labels};
    int failed = -!allocate(&on, queries, rows, group);
    for (size_t i = 0; !failed && i < q; i += group) {
        size_t some = q - i < group ? q - i : group;
        for (size_t j = 0; j < some; j++)
            on.parity[j] = (uint8_t)slices_choose(on.query + (i + j) * words, words,
                                                  on.offsets + j * words * CARRIES);
        for (size_t first = 0; first < n; first += rows) {
            kernel_block block = block_read(database, first, rows, on.scratch);
            parity_split(&block, words, labels, &on.rows);
            count_group(&on, i, some, relevant, total);
        }
    }
    release(&on);
    return failed;
}

#endif
