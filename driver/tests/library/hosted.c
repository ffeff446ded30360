/* Trains and predicts digits with the library, on batches from a file, and prints every bit of the results:
 * hosted BATCHES THREADS OUTPUT [pool]. Then gives it all that is wrong. */
#define _GNU_SOURCE 1
#include "digits.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned allocations;
static int counting;
#if defined(COUNT_ALLOCATIONS)
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
    if (counting) allocations++;
    return __real_malloc(bytes);
}
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    if (counting) allocations++;
    return __real_calloc(count, bytes);
}
void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes)
{
    if (counting) allocations++;
    return __real_realloc(old, bytes);
}
#endif

#define EXPECT(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); exit(1); } } while (0)

static float image[32 * 64 + 1], logits[320];
static int32_t label[32];
/* The handle that the pool is called for. */
static digits *current;

struct share { void (*task)(void *, int); void *argument; int thread; };

static void *shared(void *argument)
{
    struct share *one = argument;
    one->task(one->argument, one->thread);
    return NULL;
}

/* A pool that starts its threads for every call. */
static void run(void *data, void (*task)(void *, int), void *argument, int threads)
{
    pthread_t started[8];
    struct share shares[8];
    int thread;
    ++*(int *)data;
    /* The handle is in use at this moment. */
    EXPECT(digits_predict(current, 1, image, logits) == DLC_BUSY);
    EXPECT(digits_destroy(current) == DLC_BUSY);
    for (thread = 0; thread < threads; thread++) {
        shares[thread].task = task;
        shares[thread].argument = argument;
        shares[thread].thread = thread;
        EXPECT(pthread_create(&started[thread], NULL, shared, &shares[thread]) == 0);
    }
    for (thread = 0; thread < threads; thread++) pthread_join(started[thread], NULL);
}

static void print_bits(const char *what, const float *values, size_t count)
{
    size_t number;
    printf("%s", what);
    for (number = 0; number < count; number++) {
        uint32_t bits;
        memcpy(&bits, values + number, 4);
        printf(" %08x", bits);
    }
    printf("\n");
}

static int one_batch(FILE *file, int32_t *batch)
{
    if (fread(batch, 4, 1, file) != 1) return 0;
    EXPECT(*batch >= 1 && *batch <= 32);
    EXPECT(fread(image, 256, (size_t)*batch, file) == (size_t)*batch);
    return fread(label, 4, (size_t)*batch, file) == (size_t)*batch;
}

static void wrong(digits *model, const char *path)
{
    digits_options options = DIGITS_OPTIONS;
    digits *other;
    unsigned char few[40];
    int64_t seed;
    EXPECT(digits_create(NULL, &options) == DLC_NULL_POINTER);
    options.version++;
    EXPECT(digits_create(&other, &options) == DLC_OTHER_VERSION && other == NULL);
    options.version--, options.graph ^= 1;
    EXPECT(digits_create(&other, &options) == DLC_OTHER_MODEL);
    options.graph ^= 1, options.threads = 100000;
    EXPECT(digits_create(&other, &options) == DLC_NO_THREADS_LEFT);
    options.threads = 1, options.memory = few, options.memory_bytes = sizeof few;
    EXPECT(digits_create(&other, &options) != DLC_OK);
    options.memory = NULL;
    EXPECT(digits_predict(NULL, 1, image, logits) == DLC_NULL_POINTER);
    EXPECT(digits_predict(model, 1, NULL, logits) == DLC_NULL_POINTER);
    EXPECT(strcmp(digits_message(model), "predict: the input `image` is NULL") == 0);
    EXPECT(digits_predict(model, 0, image, logits) == DLC_WRONG_BATCH);
    EXPECT(digits_predict(model, DIGITS_BATCH_MAX + 1, image, logits) == DLC_WRONG_BATCH);
    EXPECT(strstr(digits_message(model), "a batch of 33") != NULL);
    EXPECT(digits_predict(model, 1, (const float *)((const char *)image + 1), logits) == DLC_UNALIGNED);
    EXPECT(digits_predict(model, 1, image, NULL) == DLC_OK && digits_message(model)[0] == '\0');
    EXPECT(digits_get(model, "train.sed", &seed, 8) == DLC_NO_TENSOR);
    EXPECT(digits_get(model, "train.seed", &seed, 4) == DLC_WRONG_SIZE);
    EXPECT(digits_get(model, "train.seed", &seed, 8) == DLC_OK && seed == 3);
    EXPECT(digits_load(model, "/no/such/file", DLC_LOAD_ALL) == DLC_FILE);
    EXPECT(digits_load(model, NULL, DLC_LOAD_ALL) == DLC_NULL_POINTER);
    EXPECT(digits_save(model, "/no/such/folder/file") == DLC_FILE);
    EXPECT(digits_create(&other, &options) == DLC_OK);
    EXPECT(digits_predict(other, 1, image, logits) == DLC_NO_WEIGHTS);
    EXPECT(digits_load(other, path, DLC_LOAD_ALL) == DLC_OK);
    EXPECT(digits_destroy(other) == DLC_OK && digits_destroy(NULL) == DLC_OK);
    EXPECT(strcmp(digits_status_text(DLC_BUSY), "another thread is using this handle") == 0);
    EXPECT(strcmp(digits_status_text(-7), "no status of dlc") == 0);
}

/* Every file that is shorter, or has a byte of its header changed, is refused or as good. */
static void damaged(digits *model, const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes, *copy;
    size_t length, header, place;
    EXPECT(file != NULL && fseek(file, 0, SEEK_END) == 0);
    length = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(length);
    EXPECT(fread(bytes, 1, length, file) == length);
    fclose(file);
    header = 8 + (bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16);
    for (place = 0; place < length; place += place < header ? 7 : 5003) {
        /* Of exactly that length, so that a read behind it is seen. */
        copy = malloc(place + 1);
        memcpy(copy, bytes, place);
        EXPECT(digits_load_bytes(model, copy, place, DLC_LOAD_ALL) == DLC_DAMAGED);
        free(copy);
    }
    for (place = 0; place < header; place++) {
        unsigned char was = bytes[place];
        bytes[place] = (unsigned char)(was ^ (1u << place % 8));
        digits_load_bytes(model, bytes, length, DLC_LOAD_ALL);
        bytes[place] = was;
    }
    EXPECT(memcmp(bytes + 8, "{\"__metadata__\":{\"graph\":\"", 26) == 0);
    bytes[8 + 26] = bytes[8 + 26] == 'f' ? '0' : 'f';
    EXPECT(digits_load_bytes(model, bytes, length, DLC_LOAD_ALL) == DLC_OTHER_WEIGHTS);
    free(bytes);
}

int main(int count, char **arguments)
{
    digits_options options = DIGITS_OPTIONS;
    digits *model;
    dlc_pool pool = {run, NULL};
    int32_t batch, steps = 9;
    int calls = 0;
    FILE *file;
    EXPECT(count >= 4);
    options.threads = (uint32_t)atoi(arguments[2]);
    pool.data = &calls;
    if (count > 4) options.pool = &pool;
    EXPECT(digits_create(&model, &options) == DLC_OK);
    current = model;
    EXPECT(digits_init(model, 3) == DLC_OK);
    EXPECT(digits_set(model, "train.total_steps", &steps, sizeof steps) == DLC_OK);
    file = fopen(arguments[1], "rb");
    EXPECT(file != NULL);
    while (one_batch(file, &batch)) {
        float report[2];
        counting = 1;
        EXPECT(digits_train_step(model, (size_t)batch, image, label, &report[0], &report[1]) == DLC_OK);
        counting = 0;
        print_bits("train", report, 2);
        counting = 1;
        EXPECT(digits_eval_step(model, (size_t)batch, image, label, &report[0], &report[1]) == DLC_OK);
        EXPECT(digits_predict(model, (size_t)batch, image, logits) == DLC_OK);
        counting = 0;
        print_bits("evaluate", report, 2);
        print_bits("predict", logits, (size_t)batch * 10);
    }
    fclose(file);
    EXPECT(allocations == 0 && (count > 4) == (calls > 0));
    EXPECT(digits_save(model, arguments[3]) == DLC_OK);
    wrong(model, arguments[3]);
    damaged(model, arguments[3]);
    EXPECT(digits_destroy(model) == DLC_OK);
    return 0;
}
