/* Exact top-k: each block is compared with the query's k-th distance so far; few rows pass. */

#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define SLACK 1024 /* a buffer holds at least so many more than k, so that it is rarely cut */

/* The nearest rows of a query so far, in the order of positions. A row at `limit` or farther can
 * no longer be among the k nearest; the buffer may still hold some that came before. */
typedef struct {
    uint64_t *keys;
    size_t filled;
    size_t *counts; /* of the kept keys by distance, up to bits + 1 */
    size_t held;    /* sum of counts[0..limit] */
    unsigned limit; /* distance of the k-th nearest; bits + 1 before there are k */
} nearest;

/* Keep k: all below the limit, and the first at the limit. */
static void cut(nearest *best, size_t k) {
    size_t at_limit = k - (best->held - best->counts[best->limit]), kept = 0, taken = 0;
    for (size_t i = 0; i < best->filled; i++) {
        uint64_t key = best->keys[i];
        size_t distance = KEY_DISTANCE(key);
        if (distance < best->limit || (distance == best->limit && taken++ < at_limit))
            best->keys[kept++] = key;
    }
    best->filled = kept;
    best->counts[best->limit] = at_limit;
    best->held = k;
}

static inline void push(nearest *best, size_t k, size_t capacity, unsigned distance,
                        size_t position) {
    if (best->filled == capacity)
        cut(best, k);
    best->keys[best->filled++] = KEY(distance, position);
    best->counts[distance]++;
    best->held++;
    while (best->held - best->counts[best->limit] >= k)
        best->held -= best->counts[best->limit--];
}

/* Take the rows whose bits are set in the masks of a block. */
static void take(const kernel_isa *isa, const kernel_block *block, size_t words,
                 const uint64_t *query, const uint64_t *masks, nearest *best, size_t k,
                 size_t capacity) {
    static const uint64_t none[1] = {0};
    uint16_t distances[CHUNK];
    for (size_t c = 0; c < block->chunks; c++) {
        /* Most masks are empty: look at four at a time. */
        if (c % 4 == 0 && c + 4 <= block->chunks &&
            !(masks[c] | masks[c + 1] | masks[c + 2] | masks[c + 3])) {
            c += 3;
            continue;
        }
        uint64_t mask = masks[c];
        if (!mask)
            continue;
        size_t row = c * CHUNK;
        isa->distances(block->planes + row * 8, block->stride, words, 1, query, none, 0,
                       distances);
        for (; mask; mask &= mask - 1) {
            unsigned r = (unsigned)__builtin_ctzll(mask);
            if (distances[r] < best->limit)
                push(best, k, capacity, distances[r], block->first + row + r);
        }
    }
}

int kernel_topk(const kernel_isa *isa, const kernel_codes *queries, const kernel_codes *database,
                size_t k, const uint64_t *allowed, int32_t *distances, int64_t *positions) {
    size_t q = queries->n, n = database->n, words = database->words, bits = database->bytes * 8;
    size_t capacity = k + (k > SLACK ? k : SLACK), rows = block_rows(database, BLOCK_WORDS);
    if (capacity > n)
        capacity = n;
    int failed = -1;
    uint64_t *query = codes_words(queries), *scratch = malloc(rows * words * 8);
    uint64_t *keys = malloc((q * capacity + 1) * 8);
    size_t *counts = calloc(q * (bits + 2) + 1, sizeof *counts);
    nearest *best = malloc((q + 1) * sizeof *best);
    if (query == NULL || scratch == NULL || keys == NULL || counts == NULL || best == NULL)
        goto done;
    for (size_t i = 0; i < q; i++) {
        nearest empty = {keys + i * capacity, 0, counts + i * (bits + 2), 0, (unsigned)bits + 1};
        best[i] = empty;
    }
    uint64_t masks[MAX_CHUNKS];
    for (size_t first = 0; first < n; first += rows) {
        kernel_block block = block_read(database, first, rows, scratch);
        for (size_t i = 0; i < q; i++) {
            if (best[i].limit == 0)
                continue; /* k exact matches: nothing later is nearer */
            isa->scan(block.planes, block.stride, words, block.chunks, query + i * words,
                      best[i].limit, masks);
            masks[block.chunks - 1] &= tail_mask(&block);
            if (allowed != NULL)
                for (size_t c = 0; c < block.chunks; c++)
                    masks[c] &= allowed[first / CHUNK + c];
            take(isa, &block, words, query + i * words, masks, &best[i], k, capacity);
        }
    }
    for (size_t i = 0; i < q; i++)
        keys_sort(best[i].keys, best[i].filled, best[i].counts, bits, k, distances + i * k,
                  positions + i * k);
    failed = 0;
done:
    free(query);
    free(scratch);
    free(keys);
    free(counts);
    free(best);
    return failed;
}
