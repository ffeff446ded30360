/* The interface of NVIDIA's driver, as far as dlc_cuda.c uses it: types, functions with the version of CUDA that each came
 * with, and numbers. It is a part of dlc_cuda.c; programs do not need it.
 */
#ifndef DLC_CUDA_DRIVER_H
#define DLC_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/* A CUresult; 0 is success. */
typedef int answer;
/* A CUdeviceptr. */
typedef uint64_t address;
/* A context, stream, event, module, function or graph. */
typedef void *handle;

/* Names are those that the driver's library exports: _v2 is part of them, plain ones stand for older forms. */
#define FUNCTIONS(each) \
    each("6.0", cuGetErrorName, (answer status, const char **text)) \
    each("6.0", cuGetErrorString, (answer status, const char **text)) \
    each("2.0", cuInit, (unsigned flags)) \
    each("2.0", cuDeviceGetCount, (int *count)) \
    each("2.0", cuDeviceGet, (int *device, int ordinal)) \
    each("2.0", cuDeviceGetName, (char *name, int length, int device)) \
    each("2.0", cuDeviceGetAttribute, (int *value, int attribute, int device)) \
    each("7.0", cuDevicePrimaryCtxRetain, (handle *context, int device)) \
    each("11.0", cuDevicePrimaryCtxRelease_v2, (int device)) \
    each("4.0", cuCtxPushCurrent_v2, (handle context)) \
    each("4.0", cuCtxPopCurrent_v2, (handle *context)) \
    each("3.2", cuMemGetInfo_v2, (size_t *free_bytes, size_t *all)) \
    each("3.2", cuMemAlloc_v2, (address *place, size_t bytes)) \
    each("3.2", cuMemFree_v2, (address place)) \
    each("2.2", cuMemHostAlloc, (void **pointer, size_t bytes, unsigned flags)) \
    each("2.0", cuMemFreeHost, (void *pointer)) \
    each("3.2", cuMemcpyHtoDAsync_v2, (address to, const void *from, size_t bytes, handle stream)) \
    each("3.2", cuMemcpyDtoHAsync_v2, (void *to, address from, size_t bytes, handle stream)) \
    each("3.2", cuMemsetD8Async, (address to, unsigned char value, size_t bytes, handle stream)) \
    each("2.0", cuStreamCreate, (handle *stream, unsigned flags)) \
    each("4.0", cuStreamDestroy_v2, (handle stream)) \
    each("2.0", cuStreamSynchronize, (handle stream)) \
    each("10.1", cuStreamBeginCapture_v2, (handle stream, unsigned mode)) \
    each("10.0", cuStreamEndCapture, (handle stream, handle *graph)) \
    each("11.4", cuGraphInstantiateWithFlags, (handle *executable, handle graph, uint64_t flags)) \
    each("10.0", cuGraphLaunch, (handle executable, handle stream)) \
    each("10.0", cuGraphExecDestroy, (handle executable)) \
    each("10.0", cuGraphDestroy, (handle graph)) \
    each("2.1", cuModuleLoadDataEx, (handle *module, const void *text, unsigned count, unsigned *options, \
         void **values)) \
    each("2.0", cuModuleUnload, (handle module)) \
    each("2.0", cuModuleGetFunction, (handle *function, handle module, const char *name)) \
    each("2.2", cuFuncGetAttribute, (int *value, int attribute, handle function)) \
    each("9.0", cuFuncSetAttribute, (handle function, int attribute, int value)) \
    each("4.0", cuLaunchKernel, (handle function, unsigned blocks, unsigned blocks_y, unsigned blocks_z, \
         unsigned threads, unsigned threads_y, unsigned threads_z, unsigned shared_bytes, handle stream, \
         void **parameters, void **extra)) \
    each("2.0", cuEventCreate, (handle *event, unsigned flags)) \
    each("2.0", cuEventRecord, (handle event, handle stream)) \
    each("2.0", cuEventSynchronize, (handle event)) \
    each("4.0", cuEventDestroy_v2, (handle event))

typedef struct driver {
#define FIELD(since, name, parameters) answer (*name) parameters;
    FUNCTIONS(FIELD)
#undef FIELD
} driver;

enum {
    OUT_OF_MEMORY = 2, NO_GPU = 100, UNSUPPORTED_PTX_VERSION = 222,
    /* Attributes of a GPU, */
    MAJOR = 75, MINOR = 76, SHARED_BYTES = 97,
    /* and of a kernel. */
    MOST_THREADS = 0, DYNAMIC_SHARED_BYTES = 8,
    /* A stream for which other users of the process do not wait, nor it for them; a recording that is one thread's. */
    NON_BLOCKING = 1, THREAD_LOCAL = 1,
    /* Where the driver writes what is wrong with a text, and how much room there is. */
    ERROR_LOG = 5, ERROR_LOG_BYTES = 6
};

#endif
