/* Range search: the rows nearer than a limit, kept per query in a buffer that grows. */

#include "kernel.h"

#include <stdlib.h>

static int push(kernel_hits *hits, uint64_t key) {
    if (hits->filled == hits->capacity) {
        size_t capacity = hits->capacity ? hits->capacity + hits->capacity / 2 : 64;
        uint64_t *keys = realloc(hits->keys, capacity * 8);
        if (keys == NULL)
            return -1;
        hits->keys = keys;
        hits->capacity = capacity;
    }
    hits->keys[hits->filled++] = key;
    return 0;
}

int kernel_within(const kernel_isa *isa, const kernel_codes *queries, const kernel_codes *database,
                  unsigned limit, kernel_hits *hits) {
    static const uint64_t none[1] = {0};
    size_t words = database->words, rows = block_rows(database, BLOCK_WORDS);
    int failed = -1;
    uint64_t *query = codes_words(queries), *scratch = malloc(rows * words * 8);
    if (query == NULL || scratch == NULL)
        goto done;
    uint64_t masks[MAX_CHUNKS];
    uint16_t distances[CHUNK];
    for (size_t first = 0; first < database->n; first += rows) {
        kernel_block block = block_read(database, first, rows, scratch);
        for (size_t i = 0; i < queries->n; i++) {
            const uint64_t *one = query + i * words;
            isa->scan(block.planes, block.stride, words, block.chunks, one, limit, masks);
            masks[block.chunks - 1] &= tail_mask(&block);
            for (size_t c = 0; c < block.chunks; c++) {
                if (!masks[c])
                    continue;
                size_t row = c * CHUNK;
                isa->distances(block.planes + row * 8, block.stride, words, 1, one, none, 0,
                               distances);
                for (uint64_t mask = masks[c]; mask; mask &= mask - 1) {
                    unsigned r = (unsigned)__builtin_ctzll(mask);
                    if (push(&hits[i], KEY(distances[r], first + row + r)))
                        goto done;
                }
            }
        }
    }
    failed = 0;
done:
    free(query);
    free(scratch);
    return failed;
}
