/* Trains, evaluates and predicts digits on batches from a file, and prints every bit of the results:
 * steps BATCHES THREADS CPU, where CPU is one of the library's or `widest`. What lies behind a batch's outputs stays as
 * it is. */
#include "digits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); exit(1); } } while (0)

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

int main(int count, char **arguments)
{
    static float image[DIGITS_BATCH_MAX * 64], logits[DIGITS_BATCH_MAX * 10 + 1];
    static int32_t label[DIGITS_BATCH_MAX];
    digits_options options = DIGITS_OPTIONS;
    digits *model;
    int32_t batch, steps = 40;
    FILE *file;
    EXPECT(count == 4);
    options.threads = (uint32_t)atoi(arguments[2]);
    options.cpu = "z80";
    EXPECT(digits_create(&model, &options) == DLC_NO_VARIANT && model == NULL);
    options.cpu = strcmp(arguments[3], "widest") == 0 ? NULL : arguments[3];
    EXPECT(digits_create(&model, &options) == DLC_OK);
    printf("cpu %s\n", digits_cpu(model));
    EXPECT(digits_init(model, 3) == DLC_OK);
    EXPECT(digits_set(model, "train.total_steps", &steps, sizeof steps) == DLC_OK);
    file = fopen(arguments[1], "rb");
    EXPECT(file != NULL);
    while (fread(&batch, 4, 1, file) == 1) {
        float report[2], behind = 7;
        EXPECT(batch >= 1 && batch <= DIGITS_BATCH_MAX);
        EXPECT(fread(image, 256, (size_t)batch, file) == (size_t)batch);
        EXPECT(fread(label, 4, (size_t)batch, file) == (size_t)batch);
        EXPECT(digits_train_step(model, (size_t)batch, image, label, &report[0], &report[1]) == DLC_OK);
        print_bits("train", report, 2);
        EXPECT(digits_eval_step(model, (size_t)batch, image, label, &report[0], &report[1]) == DLC_OK);
        print_bits("evaluate", report, 2);
        logits[batch * 10] = behind;
        EXPECT(digits_predict(model, (size_t)batch, image, logits) == DLC_OK);
        EXPECT(logits[batch * 10] == behind);
        print_bits("predict", logits, (size_t)batch * 10);
    }
    fclose(file);
    return digits_destroy(model);
}
