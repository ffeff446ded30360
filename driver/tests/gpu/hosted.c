/* Trains and predicts digits on a GPU, on batches from a file, and prints every bit of the results:
 * hosted LAUNCHES BATCHES OUTPUT graphs|launches|steps, the last as calls should be started. At the end it asks the
 * stand-in driver how they were, and what was not given back. */
#define _GNU_SOURCE 1
#include "digits.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); exit(1); } } while (0)

static float image[DIGITS_PREDICT_IMAGE_ELEMENTS(DIGITS_BATCH_MAX)];
static float logits[DIGITS_PREDICT_LOGITS_ELEMENTS(DIGITS_BATCH_MAX)];
static int32_t label[DIGITS_BATCH_MAX];

/* The stand-in's counters: what lives, what was refused, launches, graphs, their launches, times of waiting. */
typedef struct counters {
    uint64_t living, refused, launches, graphs, graph_launches, waits;
} counters;

static counters counted(void)
{
    counters (*ask)(void), none = {0, 0, 0, 0, 0, 0};
    void *driver = dlopen(getenv("DLC_CUDA_DRIVER"), RTLD_NOW), *found;
    EXPECT(driver != NULL);
    found = dlsym(driver, "dlc_stand_in_counters");
    if (found == NULL) return none;
    memcpy(&ask, &found, sizeof found);
    return ask();
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
    EXPECT(*batch >= 1 && *batch <= DIGITS_BATCH_MAX);
    EXPECT(fread(image, 256, (size_t)*batch, file) == (size_t)*batch);
    return fread(label, 4, (size_t)*batch, file) == (size_t)*batch;
}

/* What is wrong with a call is told as on a processor, and computes nothing. */
static void wrong(digits *model)
{
    unsigned char few[4];
    int64_t seed;
    EXPECT(digits_predict(NULL, 1, image, logits) == DLC_NULL_POINTER);
    EXPECT(digits_predict(model, 1, NULL, logits) == DLC_NULL_POINTER);
    EXPECT(strcmp(digits_message(model), "predict: the input `image` is NULL") == 0);
    EXPECT(digits_predict(model, 0, image, logits) == DLC_WRONG_BATCH);
    EXPECT(digits_predict(model, DIGITS_BATCH_MAX + 1, image, logits) == DLC_WRONG_BATCH);
    EXPECT(digits_predict(model, 1, (const float *)((const char *)image + 1), logits) == DLC_UNALIGNED);
    EXPECT(digits_get(model, "train.seed", few, sizeof few) == DLC_WRONG_SIZE);
    EXPECT(digits_get(model, "train.sed", &seed, sizeof seed) == DLC_NO_TENSOR);
    EXPECT(digits_get(model, "train.seed", &seed, sizeof seed) == DLC_OK && seed == 3);
    EXPECT(digits_load(model, "/no/such/file", DLC_LOAD_ALL) == DLC_FILE);
    EXPECT(strcmp(digits_cpu(model), "sm_80") == 0);
}

/* Results of a call whose outputs nobody wanted are those of one whose outputs were. */
static void unwanted(digits *model, const char *path, int in_steps)
{
    float wanted[2][DIGITS_PREDICT_LOGITS_ELEMENTS(1)];
    float loss;
    uint64_t waits;
    EXPECT(digits_train_step(model, 2, image, label, &loss, NULL) == DLC_OK);
    EXPECT(digits_predict(model, 1, image, wanted[0]) == DLC_OK);
    EXPECT(digits_load(model, path, DLC_LOAD_ALL) == DLC_OK);
    EXPECT(digits_predict(model, 1, image, NULL) == DLC_OK);
    waits = counted().waits;
    EXPECT(digits_train_step(model, 2, image, label, NULL, NULL) == DLC_OK);
    EXPECT(in_steps || counted().waits == waits);
    EXPECT(digits_predict(model, 1, image, wanted[1]) == DLC_OK);
    EXPECT(memcmp(wanted[0], wanted[1], sizeof wanted[0]) == 0);
    EXPECT(digits_load(model, path, DLC_LOAD_ALL) == DLC_OK);
}

/* A parameter that is set is used by the next call, and read back. */
static void changed(digits *model)
{
    float bias[10], back[10];
    int one;
    EXPECT(digits_get(model, "head.bias", bias, sizeof bias) == DLC_OK);
    EXPECT(digits_predict(model, 1, image, logits) == DLC_OK);
    for (one = 0; one < 10; one++) bias[one] += 1.0f;
    EXPECT(digits_set(model, "head.bias", bias, sizeof bias) == DLC_OK);
    EXPECT(digits_predict(model, 1, image, logits + 10) == DLC_OK);
    for (one = 0; one < 10; one++) {
        float moved = logits[10 + one] - logits[one];
        EXPECT(moved > 0.9999f && moved < 1.0001f);
    }
    EXPECT(digits_get(model, "head.bias", back, sizeof back) == DLC_OK && memcmp(bias, back, sizeof bias) == 0);
}

int main(int count, char **arguments)
{
    char message[DLC_MESSAGE_BYTES];
    int32_t batch, steps = 9;
    float report[2];
    digits *model;
    counters at_end;
    FILE *file;
    EXPECT(count == 5);
    if (digits_create_on_gpu(&model, arguments[1], 0, message, sizeof message) != DLC_OK) {
        printf("%s\n", message);
        return 1;
    }
    EXPECT(message[0] == '\0' && digits_predict(model, 1, image, logits) == DLC_NO_WEIGHTS);
    EXPECT(digits_init(model, 3) == DLC_OK);
    EXPECT(digits_set(model, "train.total_steps", &steps, sizeof steps) == DLC_OK);
    file = fopen(arguments[2], "rb");
    EXPECT(file != NULL);
    while (one_batch(file, &batch)) {
        EXPECT(digits_train_step(model, (size_t)batch, image, label, &report[0], &report[1]) == DLC_OK);
        print_bits("train", report, 2);
        EXPECT(digits_eval_step(model, (size_t)batch, image, label, &report[0], &report[1]) == DLC_OK);
        print_bits("evaluate", report, 2);
        EXPECT(digits_predict(model, (size_t)batch, image, logits) == DLC_OK);
        print_bits("predict", logits, (size_t)batch * 10);
    }
    fclose(file);
    EXPECT(digits_save(model, arguments[3]) == DLC_OK);
    wrong(model);
    unwanted(model, arguments[3], strcmp(arguments[4], "steps") == 0);
    changed(model);
    EXPECT(digits_destroy(model) == DLC_OK);
    at_end = counted();
    EXPECT(at_end.living == 0 && at_end.refused == 0);
    EXPECT(at_end.launches == 0 || (at_end.graph_launches > 0) == (strcmp(arguments[4], "graphs") == 0));
    return 0;
}
