/* The object file alone: no C library in a step, memory of exactly the stated sizes with pages around it that nobody
 * may touch: bare BATCHES. Prints as hosted.c does. */
#define _GNU_SOURCE 1
#include "digits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXPECT(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); exit(1); } } while (0)

/* Bytes that end at a page that cannot be touched, or begin behind one. */
static void *guarded(size_t bytes, int at_end)
{
    size_t page = 4096, whole = (bytes + page - 1) / page * page;
    char *start = mmap(NULL, whole + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(start != MAP_FAILED && bytes % 64 == 0);
    EXPECT(whole == 0 || mprotect(start + page, whole, PROT_READ | PROT_WRITE) == 0);
    return at_end ? start + page + whole - bytes : start + page;
}

static void none(const void *data)
{
    (void)data;
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

static void trained(const char *path, int at_end)
{
    static float image[32 * 64], logits[320], report[2];
    static int32_t label[32];
    int32_t batch, steps = 9;
    int64_t seed = 3;
    void *step[] = {image, label, &report[0], &report[1]}, *predict[] = {image, logits};
    unsigned char *persistent = guarded(DIGITS_PERSISTENT_BYTES, at_end);
    /* An arena for each function is of the exact size, and needs no clearing. */
    dlc_context init = {0}, train, evaluate, predicted;
    FILE *file = fopen(path, "rb");
    uint64_t mode = dlc_float_enter();
    EXPECT(file != NULL);
    init.persistent = persistent;
    init.constants = digits_constants;
    init.batch = init.threads = init.prepare = 1;
    init.barrier = none;
    init.scratch_bytes = DIGITS_THREAD_BYTES;
    init.scratch = guarded(DIGITS_THREAD_BYTES, at_end);
    train = evaluate = predicted = init;
    init.arena = guarded(DIGITS_INIT_ARENA_BYTES, at_end);
    train.arena = guarded(DIGITS_TRAIN_STEP_ARENA_BYTES, at_end);
    evaluate.arena = guarded(DIGITS_EVAL_STEP_ARENA_BYTES, at_end);
    predicted.arena = guarded(DIGITS_PREDICT_ARENA_BYTES, at_end);
    train.bindings = evaluate.bindings = step;
    predicted.bindings = predict;
    memcpy(persistent + DIGITS_TRAIN_SEED_OFFSET, &seed, sizeof seed);
    digits_bare_init(&init, 0);
    memcpy(persistent + DIGITS_TRAIN_TOTAL_STEPS_OFFSET, &steps, sizeof steps);
    while (fread(&batch, 4, 1, file) == 1) {
        EXPECT(fread(image, 256, (size_t)batch, file) == (size_t)batch);
        EXPECT(fread(label, 4, (size_t)batch, file) == (size_t)batch);
        train.batch = evaluate.batch = predicted.batch = batch;
        digits_bare_train_step(&train, 0);
        print_bits("train", report, 2);
        digits_bare_eval_step(&evaluate, 0);
        print_bits("evaluate", report, 2);
        digits_bare_predict(&predicted, 0);
        print_bits("predict", logits, (size_t)batch * 10);
    }
    dlc_float_leave(mode);
    fclose(file);
}

int main(int count, char **arguments)
{
    EXPECT(count == 2);
    trained(arguments[1], 1);
    trained(arguments[1], 0);
    return 0;
}
