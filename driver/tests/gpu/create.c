/* Makes an instance on a GPU and trains for a step: create LAUNCHES ORDINAL OUTPUT. Tells the first failure, then what the
 * calls behind it say. */
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float x[NET_TRAIN_STEP_X_ELEMENTS(NET_BATCH_MAX)], y[NET_PREDICT_Y_ELEMENTS(NET_BATCH_MAX)];
static int32_t t[NET_BATCH_MAX];

static int told(net *model, const char *call, dlc_status status)
{
    if (status != DLC_OK) printf("%s: %s: %s\n", call, net_status_text(status), net_message(model));
    return status != DLC_OK;
}

int main(int count, char **arguments)
{
    char message[DLC_MESSAGE_BYTES], few[8];
    dlc_status status, again;
    unsigned ordinal;
    float loss;
    net *model;
    if (count != 4) return 1;
    ordinal = (unsigned)strtoul(arguments[2], NULL, 10);
    status = net_create_on_gpu(&model, arguments[1], ordinal, message, sizeof message);
    if (status != DLC_OK) {
        printf("create: %s: %s\n", net_status_text(status), message);
        /* The same in less room, and without any; there is no instance. */
        again = net_create_on_gpu(&model, arguments[1], ordinal, few, sizeof few);
        if (again != status || strncmp(few, message, sizeof few - 1) != 0 || strlen(few) != sizeof few - 1) return 1;
        net_create_on_gpu(&model, arguments[1], ordinal, NULL, 0);
        return model != NULL || net_create_on_gpu(NULL, arguments[1], ordinal, NULL, 0) != DLC_NULL_POINTER;
    }
    told(model, "init", net_init(model, 1));
    told(model, "save", net_save(model, arguments[3]));
    if (told(model, "train", net_train_step(model, 2, x, t, &loss))) {
        told(model, "train", net_train_step(model, 2, x, t, &loss));
        told(model, "predict", net_predict(model, 1, x, y));
        told(model, "save", net_save(model, arguments[3]));
    }
    return net_destroy(model) != DLC_OK;
}
