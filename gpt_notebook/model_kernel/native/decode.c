/*
 * What a decode step does besides its matrix products: a key and a value of each row are stored, one query a row attends
 * to all of its keys, and a row of logits gives the best token and the sum of its exponentials.
 *
 * Plain C without a header of torch's or Python's, so that it builds in a second wherever there is a compiler. Numbers are
 * float32 or bfloat16 (`half`), sums are float32, and each row's result depends on nothing but that row. Loops are written
 * for the compiler's vectorizer; OpenMP's threads are torch's own.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define LANES 16
#define FETCHED 128 /* keys of the next head that are brought ahead: more would push out what is needed first */

typedef uint16_t half;
typedef float Floats __attribute__((vector_size(4 * LANES))); /* compilers split it where a processor's are shorter */
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef half Halves __attribute__((vector_size(2 * LANES)));

/* Where a row's queries, keys and values are; strides count numbers. */
typedef struct {
    const void *query;      /* (head, row, dimension) */
    const void *keys;       /* (slot, key head, key capacity, dimension) */
    const void *values;     /* (slot, key head, value capacity, value dimension) */
    void *output;           /* (row, head, value dimension) */
    const int64_t *lengths; /* (row): the place of the newest key */
    const float *sinks;     /* (head), or nothing */
    int64_t query_head_stride, query_row_stride;
    int64_t rows, heads, key_heads, key_capacity, value_capacity, dimension, value_dimension;
    int64_t window; /* how many keys a query sees at most; 0: all */
    float scaling, softcap; /* a softcap of 0 is none */
    int32_t is_half;
} Attention;

INLINE float wide(half number) {
    uint32_t bits = (uint32_t)number << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

INLINE half narrow(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (number != number) return 0x7fc0;
    return (half)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16); /* to the nearest, ties to even */
}

INLINE float number_at(const void *numbers, int64_t place, int is_half) {
    return is_half ? wide(((const half *)numbers)[place]) : ((const float *)numbers)[place];
}

INLINE Floats lanes_at(const void *numbers, int64_t place, int is_half) {
    Floats lanes;
    if (is_half) {
        Halves halves;
        memcpy(&halves, (const half *)numbers + place, sizeof halves);
        Bits bits = __builtin_convertvector(halves, Bits) << 16;
        memcpy(&lanes, &bits, sizeof lanes);
    } else {
        memcpy(&lanes, (const float *)numbers + place, sizeof lanes);
    }
    return lanes;
}

INLINE float sum_of(Floats lanes) {
    float sums[LANES];
    memcpy(sums, &lanes, sizeof sums);
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++) sums[i] += sums[i + width];
    return sums[0];
}

/* The product of a query and a key. */
INLINE float product(const float *query, const void *keys, int64_t place, int64_t dimension, int is_half) {
    Floats lanes = {0};
    int64_t d = 0;
    for (; d + LANES <= dimension; d += LANES)
        lanes += lanes_at(query, d, 0) * lanes_at(keys, place + d, is_half);
    float rest = 0;
    for (; d < dimension; d++) rest += query[d] * number_at(keys, place + d, is_half);
    return sum_of(lanes) + rest;
}

/* Has memory bring what is read next. */
INLINE void fetch(const void *numbers, int64_t place, int64_t count, int is_half) {
    const char *begin = (const char *)numbers + place * (is_half ? sizeof(half) : sizeof(float));
    int64_t size = count * (is_half ? sizeof(half) : sizeof(float));
    for (int64_t byte = 0; byte < size; byte += 64) __builtin_prefetch(begin + byte);
}

/* Some dimensions, 16 for each of `parts`, of all values weighed by their scores. */
INLINE void weigh(const float *scores, const void *values, int64_t place, int64_t count, int64_t stride, float *sum, int parts,
                  int is_half) {
    Floats lanes[4] = {{0}, {0}, {0}, {0}};
    for (int64_t key = 0; key < count; key++)
        for (int part = 0; part < parts; part++)
            lanes[part] += scores[key] * lanes_at(values, place + key * stride + part * LANES, is_half);
    memcpy(sum, lanes, sizeof(Floats) * parts);
}

/* The exponential of a number up to 0, to 2e-7 of itself, and 0 below 2e-38; Cephes' polynomial. NaN stays NaN. */
INLINE float exponential(float given) {
    float x = given > -87.0f ? given : -87.0f;
    float n = floorf(x * 1.44269504f + 0.5f);
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return given != given ? given : given < -87.0f ? 0.0f : p * power;
}

/* One query of one head: its scores, their softmax, and the values weighed by it. `scores` has room for all keys. */
INLINE void attend_one(const Attention *a, int64_t row, int64_t head, float *query, float *scores, float *sum, int is_half) {
    int64_t dimension = a->dimension, value_dimension = a->value_dimension;
    int64_t last = a->lengths[row], first = a->window && last + 1 > a->window ? last + 1 - a->window : 0;
    int64_t count = last + 1 - first;
    int64_t key_head = row * a->key_heads + head / (a->heads / a->key_heads);
    int64_t first_key = key_head * a->key_capacity + first, first_value = key_head * a->value_capacity + first;

    int64_t from = head * a->query_head_stride + row * a->query_row_stride;
    for (int64_t d = 0; d < dimension; d++) query[d] = a->scaling * number_at(a->query, from + d, is_half);

    float largest = a->sinks ? a->sinks[head] : -INFINITY;
    for (int64_t key = 0; key < count; key++) {
        float score = product(query, a->keys, (first_key + key) * dimension, dimension, is_half);
        fetch(a->values, (first_value + key) * value_dimension, value_dimension, is_half);
        if (a->softcap) score = tanhf(score / a->softcap) * a->softcap;
        scores[key] = score;
        largest = score > largest || score != score ? score : largest;
    }

    int64_t soon = count < FETCHED ? count : FETCHED;
    for (int64_t key = 0; key < soon; key++) fetch(a->keys, (first_key + a->key_capacity + key) * dimension, dimension, is_half);
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t key = 0; key < count; key++) {
        scores[key] = exponential(scores[key] - largest);
        total += scores[key];
    }
    if (a->sinks) total += exponential(a->sinks[head] - largest);

    int64_t begin = 0, values = first_value * value_dimension;
    for (; begin + 4 * LANES <= value_dimension; begin += 4 * LANES)
        weigh(scores, a->values, values + begin, count, value_dimension, sum + begin, 4, is_half);
    for (; begin + LANES <= value_dimension; begin += LANES)
        weigh(scores, a->values, values + begin, count, value_dimension, sum + begin, 1, is_half);
    for (; begin < value_dimension; begin++) {
        sum[begin] = 0;
        for (int64_t key = 0; key < count; key++)
            sum[begin] += scores[key] * number_at(a->values, values + key * value_dimension + begin, is_half);
    }

    int64_t to = (row * a->heads + head) * value_dimension;
    for (int64_t d = 0; d < value_dimension; d++) {
        if (is_half) ((half *)a->output)[to + d] = narrow(sum[d] / total);
        else ((float *)a->output)[to + d] = sum[d] / total;
    }
}

/* Every row's query attends to that row's keys. Returns 0, or 1 where memory lacks. */
int attend(const Attention *a) {
    int failed = 0;
    int64_t room = a->dimension + a->value_dimension + a->key_capacity;
#pragma omp parallel
    {
        float *query = malloc(sizeof(float) * room);
        if (!query) failed = 1;
#pragma omp for schedule(static)
        for (int64_t place = 0; place < a->rows * a->heads; place++) {
            if (!query) continue;
            float *sum = query + a->dimension, *scores = sum + a->value_dimension;
            if (a->is_half) attend_one(a, place / a->heads, place % a->heads, query, scores, sum, 1);
            else attend_one(a, place / a->heads, place % a->heads, query, scores, sum, 0);
        }
        free(query);
    }
    return failed;
}

/* Each row's new key or value goes behind those that it has; strides count bytes, as `size` does. */
void store(char *table, const char *rows_new, const int64_t *lengths, int64_t rows, int64_t heads, int64_t capacity,
           int64_t size, int64_t head_stride, int64_t row_stride) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t head = 0; head < heads; head++)
            memcpy(table + ((row * heads + head) * capacity + lengths[row]) * size,
                   rows_new + head * head_stride + row * row_stride, size);
}

/* The place of the largest logit, and the logarithm of the sum of all exponentials; NaN where a logit is no number. */
int64_t best_and_sum(const float *logits, int64_t count, double *log_sum) {
    float largest = -INFINITY;
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < count; i++) largest = logits[i] > largest ? logits[i] : largest;
    double total = 0;
    for (int64_t begin = 0; begin < count; begin += 1024) {
        int64_t end = count - begin < 1024 ? count : begin + 1024;
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t i = begin; i < end; i++) part += exponential(logits[i] - largest);
        total += part;
    }
    *log_sum = (double)largest + log(total);
    int64_t best = 0;
    while (best < count - 1 && logits[best] != largest) best++;
    return best;
}
