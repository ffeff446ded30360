/* Learns a new task where it runs: learn BODY TRAINING_PICTURES TEST_PICTURES RESULT. The body of a trained network stays
 * as it is, its new last layer learns from a few pictures, and the whole is saved as a safetensors file. */
#include "odd.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS = ODD_PREDICT_IMAGE_ELEMENTS(1), CLASSES = ODD_PREDICT_LOGITS_ELEMENTS(1), MOST = 2000, EPOCHS = 60 };

typedef struct pictures {
    float image[MOST * PIXELS];
    int32_t label[MOST];
    size_t count;
} pictures;

static pictures training, test;

static int read_pictures(pictures *into, const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        return 0;
    }
    while (into->count < MOST && fgets(line, sizeof line, file) != NULL) {
        char *at = line;
        size_t pixel;
        for (pixel = 0; pixel < PIXELS; pixel++) {
            into->image[into->count * PIXELS + pixel] = strtof(at, &at);
            if (*at == ',') at++;
        }
        /* Classes are numbered in the order of their names: even, odd. */
        into->label[into->count++] = strncmp(at, "odd", 3) == 0;
    }
    fclose(file);
    return 1;
}

/* Swaps two pictures with their labels. */
static void swap(pictures *all, size_t a, size_t b)
{
    float image[PIXELS];
    int32_t label = all->label[a];
    memcpy(image, all->image + a * PIXELS, sizeof image);
    memmove(all->image + a * PIXELS, all->image + b * PIXELS, sizeof image);
    memcpy(all->image + b * PIXELS, image, sizeof image);
    all->label[a] = all->label[b];
    all->label[b] = label;
}

/* Goes through all training pictures once, in another order each time. */
static dlc_status epoch(odd *model, uint32_t *random, float *loss)
{
    size_t first, one;
    for (one = training.count; one > 1; one--) {
        *random = *random * 1664525u + 1013904223u;
        swap(&training, one - 1, (*random >> 8) % one);
    }
    *loss = 0;
    for (first = 0; first < training.count; first += ODD_BATCH_MAX) {
        size_t left = training.count - first, batch = left < ODD_BATCH_MAX ? left : ODD_BATCH_MAX;
        float of_batch, accuracy;
        dlc_status status = odd_train_step(model, batch, training.image + first * PIXELS, training.label + first, &of_batch,
                                           &accuracy);
        if (status != DLC_OK) return status;
        *loss += of_batch * (float)batch / (float)training.count;
    }
    return DLC_OK;
}

static dlc_status tested(odd *model, size_t *right)
{
    float logits[ODD_BATCH_MAX * CLASSES];
    size_t first, one;
    *right = 0;
    for (first = 0; first < test.count; first += ODD_BATCH_MAX) {
        size_t left = test.count - first, batch = left < ODD_BATCH_MAX ? left : ODD_BATCH_MAX;
        dlc_status status = odd_predict(model, batch, test.image + first * PIXELS, logits);
        if (status != DLC_OK) return status;
        for (one = 0; one < batch; one++) {
            *right += (logits[one * CLASSES + 1] > logits[one * CLASSES]) == test.label[first + one];
        }
    }
    return DLC_OK;
}

int main(int count, char **arguments)
{
    odd_options options = ODD_OPTIONS;
    odd *model = NULL;
    uint32_t random = 7;
    float loss = 0;
    size_t right = 0;
    int number;
    dlc_status status;
    if (count != 5) {
        fprintf(stderr, "usage: learn BODY TRAINING_PICTURES TEST_PICTURES RESULT\n");
        return 2;
    }
    if (!read_pictures(&training, arguments[2]) || !read_pictures(&test, arguments[3])) return 1;
    status = odd_create(&model, &options);
    /* First values for the head, then those of the body, which are all that the other network's file has in common. */
    if (status == DLC_OK) status = odd_init(model, 7);
    if (status == DLC_OK) status = odd_load(model, arguments[1], DLC_LOAD_MATCHING);
    for (number = 0; status == DLC_OK && number < EPOCHS; number++) {
        status = epoch(model, &random, &loss);
        if (number % 20 == 19) printf("epoch %d: loss %.4f\n", number + 1, (double)loss);
    }
    if (status == DLC_OK) status = tested(model, &right);
    if (status == DLC_OK) status = odd_save(model, arguments[4]);
    if (status == DLC_OK) printf("%lu of %lu test pictures are right\n", (unsigned long)right, (unsigned long)test.count);
    else fprintf(stderr, "%s: %s\n", odd_status_text(status), odd_message(model));
    odd_destroy(model);
    return status;
}
