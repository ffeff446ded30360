/* Recognises handwritten digits: recognise WEIGHTS PICTURES. A picture is a line of 64 brightnesses and the digit that it
 * shows; the first line names the columns. */
#include "digits.h"
#include <stdio.h>
#include <stdlib.h>

enum { PIXELS = DIGITS_PREDICT_IMAGE_ELEMENTS(1), CLASSES = DIGITS_PREDICT_LOGITS_ELEMENTS(1) };

static float image[DIGITS_PREDICT_IMAGE_ELEMENTS(DIGITS_BATCH_MAX)];
static float logits[DIGITS_PREDICT_LOGITS_ELEMENTS(DIGITS_BATCH_MAX)];
static int digit[DIGITS_BATCH_MAX];

/* As many pictures as there are, up to a full batch. */
static size_t read_batch(FILE *file)
{
    char line[1024];
    size_t count = 0;
    while (count < DIGITS_BATCH_MAX && fgets(line, sizeof line, file) != NULL) {
        char *at = line;
        size_t pixel;
        for (pixel = 0; pixel < PIXELS; pixel++) {
            image[count * PIXELS + pixel] = strtof(at, &at);
            if (*at == ',') at++;
        }
        digit[count++] = (int)strtol(at, NULL, 10);
    }
    return count;
}

static int most_likely(const float *scores)
{
    int best = 0, one;
    for (one = 1; one < CLASSES; one++) {
        if (scores[one] > scores[best]) best = one;
    }
    return best;
}

int main(int count, char **arguments)
{
    digits_options options = DIGITS_OPTIONS;
    digits *model = NULL;
    FILE *pictures;
    char names[1024];
    unsigned right = 0, all = 0;
    dlc_status status;
    size_t batch, one;
    if (count != 3) {
        fprintf(stderr, "usage: recognise WEIGHTS PICTURES\n");
        return 2;
    }
    pictures = fopen(arguments[2], "r");
    if (pictures == NULL || fgets(names, sizeof names, pictures) == NULL) {
        fprintf(stderr, "%s cannot be read\n", arguments[2]);
        return 1;
    }
    status = digits_create(&model, &options);
    if (status == DLC_OK) status = digits_load(model, arguments[1], DLC_LOAD_ALL);
    while (status == DLC_OK && (batch = read_batch(pictures)) > 0) {
        status = digits_predict(model, batch, image, logits);
        if (status != DLC_OK) break;
        for (one = 0; one < batch; one++) right += most_likely(logits + one * CLASSES) == digit[one];
        all += (unsigned)batch;
    }
    fclose(pictures);
    if (status == DLC_OK) printf("%u of %u digits are right\n", right, all);
    else fprintf(stderr, "%s: %s\n", digits_status_text(status), digits_message(model));
    digits_destroy(model);
    return status;
}
