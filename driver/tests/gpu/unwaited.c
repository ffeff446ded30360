/* Calls three functions and waits for the last one alone: unwaited LAUNCHES. Tells what it says. */
#include "net.h"
#include <stdio.h>

static float x[NET_TRAIN_STEP_X_ELEMENTS(NET_BATCH_MAX)], y[NET_PREDICT_Y_ELEMENTS(NET_BATCH_MAX)];
static int32_t t[NET_BATCH_MAX];

int main(int count, char **arguments)
{
    dlc_status status;
    net *model;
    if (count != 2 || net_create_on_gpu(&model, arguments[1], 0, NULL, 0) != DLC_OK) return 1;
    if (net_init(model, 1) != DLC_OK || net_train_step(model, 2, x, t, NULL) != DLC_OK) return 1;
    status = net_predict(model, 1, x, y);
    printf("%s: %s\n", net_status_text(status), net_message(model));
    return net_destroy(model) != DLC_OK;
}
