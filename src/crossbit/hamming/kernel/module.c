/* The Python module: checks every buffer's size, frees the interpreter, calls the kernel. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "kernel.h"

#include <stdlib.h>
#include <string.h>

/* Best first. */
static const kernel_isa *const isas[] = {
#if defined(__x86_64__)
    &kernel_avx512,
    &kernel_avx2,
#endif
    &kernel_portable,
};
#define ISAS (sizeof isas / sizeof *isas)

static const kernel_isa *find_isa(const char *name) {
    for (size_t i = 0; i < ISAS; i++)
        if (strcmp(isas[i]->name, name) == 0 && isas[i]->supported())
            return isas[i];
    PyErr_Format(PyExc_ValueError, "this CPU has no kernel '%s'", name);
    return NULL;
}

static int fail(const char *message) {
    PyErr_SetString(PyExc_ValueError, message);
    return 0;
}

/* Both sides as codes, if their sizes fit the width. */
static int read_codes(const Py_buffer *queries, const Py_buffer *database, Py_ssize_t bytes,
                      kernel_codes *q, kernel_codes *d) {
    if (bytes < 1 || bytes > MAX_BITS / 8)
        return fail("codes must have 1 to 128 bytes");
    if (queries->len % bytes || database->len % bytes)
        return fail("the codes are not whole rows");
    *q = codes_of(queries->buf, (size_t)(queries->len / bytes), (size_t)bytes);
    *d = codes_of(database->buf, (size_t)(database->len / bytes), (size_t)bytes);
    return d->n >> KEY_SHIFT ? fail("there are too many codes") : 1;
}

/* Whether a buffer holds rows * columns items of a size. */
static int holds(const Py_buffer *buffer, size_t rows, size_t columns, size_t size) {
    size_t have = (size_t)buffer->len / size;
    return (size_t)buffer->len % size == 0 && (uintptr_t)buffer->buf % size == 0 &&
           (columns == 0 ? have == 0 : have % columns == 0 && have / columns == rows);
}

static size_t chunked(size_t n) { return (n + CHUNK - 1) / CHUNK * CHUNK; }

static PyObject *finish(int failed) {
    if (failed)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *names(PyObject *self, PyObject *unused) {
    (void)self, (void)unused;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < ISAS; i++) {
        if (!isas[i]->supported())
            continue;
        PyObject *name = PyUnicode_FromString(isas[i]->name);
        if (name == NULL || PyList_Append(list, name))
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *topk(PyObject *self, PyObject *args) {
    (void)self;
    const char *name;
    Py_ssize_t bytes, k;
    Py_buffer queries, database, allowed = {0}, distances, positions;
    if (!PyArg_ParseTuple(args, "sy*y*nnz*w*w*", &name, &queries, &database, &bytes, &k, &allowed,
                          &distances, &positions))
        return NULL;
    PyObject *result = NULL;
    kernel_codes q, d;
    const kernel_isa *isa = find_isa(name);
    if (isa == NULL || !read_codes(&queries, &database, bytes, &q, &d))
        goto done;
    if (k < 1 || (size_t)k > d.n || !holds(&distances, q.n, (size_t)k, 4) ||
        !holds(&positions, q.n, (size_t)k, 8) ||
        (allowed.buf != NULL && !holds(&allowed, chunked(d.n) / CHUNK, 1, 8))) {
        fail("k, allowed or the results do not fit the codes");
        goto done;
    }
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = kernel_topk(isa, &q, &d, (size_t)k, allowed.buf, distances.buf, positions.buf);
    Py_END_ALLOW_THREADS
    result = finish(failed);
done:
    PyBuffer_Release(&queries);
    PyBuffer_Release(&database);
    PyBuffer_Release(&allowed);
    PyBuffer_Release(&distances);
    PyBuffer_Release(&positions);
    return result;
}

/* Sort each query's hits and return (positions, distances) as byte arrays, counts filled in. */
static PyObject *sorted_hits(const kernel_hits *hits, size_t q, size_t bits, int64_t *counts) {
    size_t total = 0;
    for (size_t i = 0; i < q; i++)
        total += hits[i].filled;
    PyObject *positions = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)(total * 8));
    PyObject *distances = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)(total * 4));
    PyObject *result = NULL;
    if (positions != NULL && distances != NULL) {
        int64_t *position = (int64_t *)(void *)PyByteArray_AsString(positions);
        int32_t *distance = (int32_t *)(void *)PyByteArray_AsString(distances);
        Py_BEGIN_ALLOW_THREADS
        for (size_t i = 0; i < q; i++) {
            size_t by_distance[MAX_BITS + 1] = {0}, n = hits[i].filled;
            for (size_t h = 0; h < n; h++)
                by_distance[KEY_DISTANCE(hits[i].keys[h])]++;
            keys_sort(hits[i].keys, n, by_distance, bits, n, distance, position);
            counts[i] = (int64_t)n;
            distance += n;
            position += n;
        }
        Py_END_ALLOW_THREADS
        result = PyTuple_Pack(2, positions, distances);
    }
    Py_XDECREF(positions);
    Py_XDECREF(distances);
    return result;
}

static PyObject *within(PyObject *self, PyObject *args) {
    (void)self;
    const char *name;
    Py_ssize_t bytes, radius;
    Py_buffer queries, database, counts;
    if (!PyArg_ParseTuple(args, "sy*y*nnw*", &name, &queries, &database, &bytes, &radius, &counts))
        return NULL;
    PyObject *result = NULL;
    kernel_hits *hits = NULL;
    kernel_codes q = {0}, d;
    const kernel_isa *isa = find_isa(name);
    if (isa == NULL || !read_codes(&queries, &database, bytes, &q, &d))
        goto done;
    if (radius < 0 || radius > bytes * 8 || !holds(&counts, q.n, 1, 8)) {
        fail("the radius or the counts do not fit the codes");
        goto done;
    }
    hits = calloc(q.n + 1, sizeof *hits);
    int failed = hits == NULL;
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS
        failed = kernel_within(isa, &q, &d, (unsigned)radius + 1, hits);
        Py_END_ALLOW_THREADS
    }
    result = failed ? PyErr_NoMemory() : sorted_hits(hits, q.n, (size_t)bytes * 8, counts.buf);
done:
    for (size_t i = 0; hits != NULL && i < q.n; i++)
        free(hits[i].keys);
    free(hits);
    PyBuffer_Release(&queries);
    PyBuffer_Release(&database);
    PyBuffer_Release(&counts);
    return result;
}

/* Whether the labels of the queries are lists in ids, of labels below `count`. */
static int sound(const kernel_labels *labels, size_t q, size_t ids, size_t count) {
    if (labels->starts[0] != 0 || (size_t)labels->starts[q] != ids)
        return 0;
    for (size_t i = 0; i < q; i++)
        if (labels->starts[i] > labels->starts[i + 1])
            return 0;
    for (size_t at = 0; at < ids; at++)
        if (labels->ids[at] < 0 || (size_t)labels->ids[at] >= count)
            return 0;
    return 1;
}

static PyObject *histogram(PyObject *self, PyObject *args) {
    (void)self;
    const char *name;
    Py_ssize_t bytes, count;
    Py_buffer queries, database, starts, ids, planes, relevant, total;
    if (!PyArg_ParseTuple(args, "sy*y*ny*y*y*nw*w*", &name, &queries, &database, &bytes, &starts,
                          &ids, &planes, &count, &relevant, &total))
        return NULL;
    PyObject *result = NULL;
    kernel_codes q, d;
    const kernel_isa *isa = find_isa(name);
    if (isa == NULL || !read_codes(&queries, &database, bytes, &q, &d))
        goto done;
    kernel_labels labels = {starts.buf, ids.buf, planes.buf, chunked(d.n) / CHUNK, (size_t)count};
    size_t columns = (size_t)bytes * 8 + 1, listed = (size_t)ids.len / 8;
    if (count < 0 || !holds(&starts, q.n + 1, 1, 8) || !holds(&ids, listed, 1, 8) ||
        !holds(&planes, (size_t)count, labels.stride, 8) ||
        !holds(&relevant, q.n, columns, 8) || !holds(&total, q.n, columns, 8) ||
        !sound(&labels, q.n, listed, (size_t)count)) {
        fail("the labels or the results do not fit the codes");
        goto done;
    }
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = kernel_histogram(isa, &q, &d, &labels, relevant.buf, total.buf);
    Py_END_ALLOW_THREADS
    result = finish(failed);
done:
    PyBuffer_Release(&queries);
    PyBuffer_Release(&database);
    PyBuffer_Release(&starts);
    PyBuffer_Release(&ids);
    PyBuffer_Release(&planes);
    PyBuffer_Release(&relevant);
    PyBuffer_Release(&total);
    return result;
}

static PyMethodDef methods[] = {
    {"names", names, METH_NOARGS, "names() -> list of the kernels that this CPU runs, best first"},
    {"topk", topk, METH_VARARGS,
     "topk(name, queries, database, bytes, k, allowed, distances, positions) fills the last two"},
    {"within", within, METH_VARARGS,
     "within(name, queries, database, bytes, radius, counts) -> (positions, distances)"},
    {"histogram", histogram, METH_VARARGS,
     "histogram(name, queries, database, bytes, starts, ids, planes, labels, relevant, total) adds "
     "to the last two"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_kernel",
    .m_doc = "Exact Hamming search in C; crossbit.hamming is the way in.",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }
