/* Distance-by-relevance counts: all queries pass over blocks that stay in the second cache. */

#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define LARGE_BLOCK 98304 /* words: 768 KB */
#define LARGE_CHUNKS 2047  /* so that no count of pairs passes 65,535 */
#define MANY 16            /* queries that are worth the tables of isa->histogram */
#define MANY_LABELS 32768  /* beyond, its blocks would be too short */
#define TABLES 4           /* neighbours count in different tables, so that none waits */

typedef struct {
    size_t bits, step; /* step = bits + 1: relevant rows count from there on */
    uint32_t by_key[2 * RELEVANT];
    uint32_t tables[TABLES][2 * (MAX_BITS + 1)];
    uint64_t related[LARGE_CHUNKS];
    kernel_pairs pairs;
} counter;

/* Set the bits of all rows that share a label with query i. */
static void relate(const kernel_labels *labels, size_t i, size_t first, size_t chunks,
                   uint64_t *related) {
    memset(related, 0, chunks * sizeof *related);
    for (int64_t at = labels->starts[i]; at < labels->starts[i + 1]; at++) {
        const uint64_t *plane =
            labels->planes + (size_t)labels->ids[at] * labels->stride + first / CHUNK;
        for (size_t c = 0; c < chunks; c++)
            related[c] |= plane[c];
    }
}

/* Take the counts of keys over to the results. */
static void add_pairs(counter *count, int64_t *relevant, int64_t *total) {
    for (size_t d = 0; d < RELEVANT && d <= count->bits; d++) {
        relevant[d] += count->by_key[d + RELEVANT];
        total[d] += (int64_t)count->by_key[d] + count->by_key[d + RELEVANT];
    }
    uint64_t *farthest = count->pairs.farthest;
    if (farthest[0] + farthest[1]) { /* counted as 127 so far */
        int64_t related = (int64_t)farthest[1], all = (int64_t)(farthest[0] + farthest[1]);
        relevant[RELEVANT] += related;
        relevant[RELEVANT - 1] -= related;
        total[RELEVANT] += all;
        total[RELEVANT - 1] -= all;
        farthest[0] = farthest[1] = 0;
    }
}

/* Rows of any width, one increment each: chunks from `first` on. */
static void count_singly(const kernel_isa *isa, const kernel_block *block, size_t words,
                         const uint64_t *query, size_t first, counter *count, int64_t *relevant,
                         int64_t *total) {
    uint16_t keys[CHUNK];
    size_t step = count->step;
    for (size_t t = 0; t < TABLES; t++)
        memset(count->tables[t], 0, 2 * step * sizeof **count->tables);
    for (size_t c = first; c < block->chunks; c++) {
        size_t rows = block->rows - c * CHUNK, i = 0;
        if (rows > CHUNK)
            rows = CHUNK;
        isa->distances(block->planes + c * CHUNK * 8, block->stride, words, 1, query,
                       count->related + c, (unsigned)step, keys);
        for (; i + TABLES <= rows; i += TABLES)
            for (size_t t = 0; t < TABLES; t++)
                count->tables[t][keys[i + t]]++;
        for (; i < rows; i++)
            count->tables[0][keys[i]]++;
    }
    for (size_t t = 0; t < TABLES; t++)
        for (size_t d = 0; d < step; d++) {
            relevant[d] += count->tables[t][d + step];
            total[d] += (int64_t)count->tables[t][d] + count->tables[t][d + step];
        }
}

/* Splitting a label's rows costs what half a query saves. */
static int many(const kernel_codes *queries, const kernel_labels *labels) {
    return queries->n >= MANY && labels->count <= 2 * queries->n && labels->count <= MANY_LABELS;
}

int kernel_histogram(const kernel_isa *isa, const kernel_codes *queries,
                     const kernel_codes *database, const kernel_labels *labels,
                     int64_t *relevant, int64_t *total) {
    size_t words = database->words, bits = database->bytes * 8, step = bits + 1;
    if (isa->histogram != NULL && words <= SLICED_WORDS && many(queries, labels))
        return isa->histogram(queries, database, labels, relevant, total);
    size_t rows = block_rows(database, LARGE_BLOCK);
    if (rows > LARGE_CHUNKS * CHUNK)
        rows = LARGE_CHUNKS * CHUNK;
    if (rows > (database->n + CHUNK - 1) / CHUNK * CHUNK)
        rows = (database->n + CHUNK - 1) / CHUNK * CHUNK;
    int failed = -1;
    uint64_t *query = codes_words(queries), *scratch = malloc(rows * words * 8 + 8);
    counter *count = calloc(1, sizeof *count);
    if (query == NULL || scratch == NULL || count == NULL)
        goto done;
    count->bits = bits;
    count->step = step;
    for (size_t first = 0; first < database->n; first += rows) {
        kernel_block block = block_read(database, first, rows, scratch);
        size_t paired = words <= 2 ? block.rows / CHUNK : 0;
        for (size_t i = 0; i < queries->n; i++) {
            const uint64_t *one = query + i * words;
            int64_t *r = relevant + i * step, *t = total + i * step;
            relate(labels, i, first, block.chunks, count->related);
            if (paired) {
                memset(count->by_key, 0, sizeof count->by_key);
                isa->count(block.planes, block.stride, words, paired, one, count->related,
                           &count->pairs, count->by_key);
                add_pairs(count, r, t);
            }
            if (paired < block.chunks)
                count_singly(isa, &block, words, one, paired, count, r, t);
        }
    }
    failed = 0;
done:
    free(query);
    free(scratch);
    free(count);
    return failed;
}
