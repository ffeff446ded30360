/* Instances of a model on NVIDIA's GPUs (dlc_cuda.c, dlc_image.c): the functions of NAME.h by code of NAME.launches.
 *
 * Nothing of NVIDIA's is linked. The driver that every machine with such a GPU has is loaded when the first instance is
 * made: libcuda.so.1, or what the environment variable DLC_CUDA_DRIVER names. DLC_CUDA_STEPWISE=1 has every kernel
 * waited for, so that a failure names it; results are the same.
 */
#ifndef DLC_CUDA_H
#define DLC_CUDA_H

#include "dlc_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an instance is made of. */
typedef struct dlc_gpu_options {
    /* NAME.launches, of `dlc compile --emit ptx`. Its text is run on the GPU, on memory of this process: it comes from
     * someone whom you would let run a program. */
    const char *path;
    /* Which GPU, from 0, as CUDA_VISIBLE_DEVICES has them. */
    unsigned ordinal;
    /* NAME_GRAPH and NAME_FUNCTIONS, as the program was compiled with: a file of another model, or whose functions are
     * called in another way, is refused. */
    uint64_t graph, functions;
    /* Gets what was wrong, in words, cut to this room, where there is no instance to ask; or NULL. */
    char *message;
    size_t message_bytes;
} dlc_gpu_options;

/* That of NAME.h for every model; `model` is the one that calls name it by. */
dlc_status dlc_create_on_gpu(dlc_session **session, const dlc_model *model, const dlc_gpu_options *options);

#ifdef __cplusplus
}
#endif

#endif
