/* One program on a GPU where there is one, else on the processor: both LAUNCHES WEIGHTS. Tells where, and the most that
 * the results of the two differ by. */
#include "digits.h"
#include <math.h>
#include <stdio.h>

static float image[DIGITS_PREDICT_IMAGE_ELEMENTS(4)];
static float logits[2][DIGITS_PREDICT_LOGITS_ELEMENTS(4)];

int main(int count, char **arguments)
{
    char message[DLC_MESSAGE_BYTES];
    digits_options options = DIGITS_OPTIONS;
    digits *models[2];
    float most = 0;
    int one;
    if (count != 3 || digits_create(&models[0], &options) != DLC_OK) return 1;
    if (digits_create_on_gpu(&models[1], arguments[1], 0, message, sizeof message) != DLC_OK) {
        printf("%s\n", message);
        if (digits_create(&models[1], &options) != DLC_OK) return 1;
    }
    for (one = 0; one < 4 * 64; one++) image[one] = (float)(one * 7 % 17);
    for (one = 0; one < 2; one++) {
        if (digits_load(models[one], arguments[2], DLC_LOAD_ALL) != DLC_OK) return 1;
        if (digits_predict(models[one], 4, image, logits[one]) != DLC_OK) return 1;
    }
    for (one = 0; one < 40; one++) most = fmaxf(most, fabsf(logits[0][one] - logits[1][one]));
    printf("%s %g\n", digits_cpu(models[1]), most);
    return digits_destroy(models[0]) != DLC_OK || digits_destroy(models[1]) != DLC_OK;
}
