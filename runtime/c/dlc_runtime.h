/* What models that dlc compiled have in common: the contract of their code, and a runtime for it in C99
 * (dlc_runtime.c). The header of a model, NAME.h, includes this file; programs use the functions declared there.
 *
 * The first part, down to "Runtime", needs no library: it is all that the bare functions of a model need.
 */
#ifndef DLC_RUNTIME_H
#define DLC_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when dlc_context or the meaning of a description changes. */
#define DLC_ABI_VERSION 5

/* Alignment in bytes of the arena, of parameters, constants and scratch. */
#define DLC_ALIGNMENT 64

/* What compiled code is given: one per call, shared by all threads that make it. */
typedef struct dlc_context {
    /* Scratch, aligned to DLC_ALIGNMENT. Zero when a function is first called with it, and again when another function
     * has used it in between. */
    void *arena;
    /* Parameters and states, aligned to DLC_ALIGNMENT. */
    void *persistent;
    /* The constants of the model, NAME_constants. */
    const void *constants;
    /* One pointer per input, then one per output, in the order of the header. */
    void *const *bindings;
    /* Samples in this call. */
    int64_t batch;
    /* Threads that make this call, each with a number of its own from 0 on. */
    int64_t threads;
    /* Called by every thread equally often; returns when all have called it. With one thread it may do nothing. */
    void (*barrier)(const void *data);
    /* The argument of barrier. */
    const void *barrier_data;
    /* Not 0 where parameters or states have changed since the last call of this function with this arena, but by that
     * function itself, and where there was none; not 0 is always right. */
    int64_t prepare;
    /* Scratch of every thread, one behind the other, aligned to DLC_ALIGNMENT. */
    void *scratch;
    /* Bytes from one thread's scratch to the next one's, a multiple of DLC_ALIGNMENT. */
    int64_t scratch_bytes;
} dlc_context;

/* A function of a model: every thread calls it with the same context and its own number. */
typedef void (*dlc_entry)(const dlc_context *context, int64_t thread);

/* Numbers are rounded to nearest and denormals count as zero in compiled code: a thread enters that mode before a
 * bare call and leaves it behind. Results of threads that do not are as sound, but may differ in their last bits, and
 * take longer. */
static inline uint64_t dlc_float_enter(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    uint32_t before = 0, mode = 0x1F80u | 1u << 15 | 1u << 6;
    __asm__ __volatile__("stmxcsr %0" : "=m"(before));
    __asm__ __volatile__("ldmxcsr %0" : : "m"(mode));
    return before;
#elif defined(__aarch64__) && defined(__GNUC__)
    uint64_t before = 0, mode = (uint64_t)1 << 24;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(before));
    __asm__ __volatile__("msr fpcr, %0" : : "r"(mode));
    return before;
#else
    return 0;
#endif
}

/* Brings back the mode that dlc_float_enter gave. */
static inline void dlc_float_leave(uint64_t before)
{
#if defined(__x86_64__) && defined(__GNUC__)
    uint32_t mode = (uint32_t)before;
    __asm__ __volatile__("ldmxcsr %0" : : "m"(mode));
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ __volatile__("msr fpcr, %0" : : "r"(before));
#else
    (void)before;
#endif
}

/* Types of elements: NAME_…_DTYPE is one of them. 16-bit floats are passed as their bits. */
typedef enum dlc_dtype {
    DLC_F16 = 0,
    DLC_BF16 = 1,
    DLC_F32 = 2,
    DLC_F64 = 3,
    DLC_I8 = 4,
    DLC_U8 = 5,
    DLC_I16 = 6,
    DLC_U16 = 7,
    DLC_I32 = 8,
    DLC_U32 = 9,
    DLC_I64 = 10,
    DLC_U64 = 11,
    DLC_BOOL = 12
} dlc_dtype;

/* How many there are. */
#define DLC_DTYPES 13

/* Bytes of an element. */
static inline size_t dlc_dtype_bytes(uint64_t dtype)
{
    static const unsigned char bytes[DLC_DTYPES] = {2, 2, 4, 8, 1, 1, 2, 2, 4, 4, 8, 8, 1};
    return bytes[dtype];
}

/* Runtime */

/* What a function gives back. */
typedef enum dlc_status {
    DLC_OK = 0,
    DLC_NULL_POINTER = 1,
    DLC_OTHER_VERSION = 2,
    DLC_OTHER_MODEL = 3,
    DLC_NO_INSTRUCTIONS = 4,
    DLC_NO_MEMORY = 5,
    DLC_NO_THREADS_LEFT = 6,
    DLC_WRONG_BATCH = 7,
    DLC_BUSY = 8,
    DLC_UNALIGNED = 9,
    DLC_NO_WEIGHTS = 10,
    DLC_NO_TENSOR = 11,
    DLC_WRONG_SIZE = 12,
    DLC_FILE = 13,
    DLC_DAMAGED = 14,
    DLC_OTHER_WEIGHTS = 15,
    DLC_NOT_BUILT = 16,
    DLC_NO_VARIANT = 17,
    DLC_NO_DEVICE = 18,
    DLC_DEVICE = 19
} dlc_status;

/* Room for what dlc_message tells, its end included. */
#define DLC_MESSAGE_BYTES 320

/* Threads of the caller's own. */
typedef struct dlc_pool {
    /* Calls task(argument, 0), task(argument, 1) to task(argument, threads - 1), all at the same time, since they wait
     * for each other; returns when all have returned. */
    void (*run)(void *data, void (*task)(void *argument, int thread), void *argument, int threads);
    /* The first argument of run. */
    void *data;
} dlc_pool;

/* What may be chosen about an instance of a model; NAME_OPTIONS is a start. */
typedef struct dlc_options {
    /* DLC_ABI_VERSION and NAME_GRAPH, as the program was compiled with: a library of another version or model refuses
     * them. */
    uint32_t version;
    /* Threads of a call, the caller's included; 0 for as many as the machine runs at once. */
    uint32_t threads;
    uint64_t graph;
    /* Threads to use; none are started then. NULL for the instance's own. */
    const dlc_pool *pool;
    /* Memory to use, aligned to DLC_ALIGNMENT, NAME_memory_bytes(threads) long; nothing is allocated then. NULL for
     * memory of the instance's own. */
    void *memory;
    size_t memory_bytes;
    /* The code to use of a library that was compiled with --cpu multi: "portable", "x86-64-v3", "x86-64-v4". NULL for
     * the widest that the machine runs. */
    const char *cpu;
} dlc_options;

/* A compiled model: what its object file holds. */
typedef struct dlc_model {
    const void *description;
    const void *constants;
    /* Parameters and states to begin with, or NULL. */
    const void *weights;
    /* The functions in the order of the description, for each of its variants. */
    const dlc_entry *entries;
} dlc_model;

/* What an instance must have in common with the file that it loads. */
typedef enum dlc_policy {
    /* Every parameter and state. */
    DLC_LOAD_ALL = 0,
    /* Every parameter; states where the file has them. */
    DLC_LOAD_PARAMETERS = 1,
    /* Parameters and the network's own states that fit by name, type and shape, of any model's file, at least one: a
     * trained body under a new head. All else stays as it is, so initialize first; a run's counters and what its
     * optimiser keeps are not taken. */
    DLC_LOAD_MATCHING = 2
} dlc_policy;

/* An instance of a model. */
typedef struct dlc_session dlc_session;

/* The functions below are those of NAME.h, for every model; `model` is the one that a session must be of. */
size_t dlc_memory_bytes(const dlc_model *model, uint32_t threads);
dlc_status dlc_create(dlc_session **session, const dlc_model *model, const dlc_options *options);
dlc_status dlc_destroy(dlc_session *session, const dlc_model *model);
dlc_status dlc_initialize(dlc_session *session, const dlc_model *model, uint64_t seed);
dlc_status dlc_call(dlc_session *session, const dlc_model *model, unsigned function, size_t batch,
                    const void *const *inputs, void *const *outputs);
dlc_status dlc_get(dlc_session *session, const dlc_model *model, const char *name, void *values, size_t bytes);
dlc_status dlc_set(dlc_session *session, const dlc_model *model, const char *name, const void *values, size_t bytes);
dlc_status dlc_save(dlc_session *session, const dlc_model *model, const char *path);
dlc_status dlc_load(dlc_session *session, const dlc_model *model, const char *path, dlc_policy policy);
dlc_status dlc_load_bytes(dlc_session *session, const dlc_model *model, const void *bytes, size_t length,
                          dlc_policy policy);
const char *dlc_cpu(const dlc_session *session, const dlc_model *model);
const char *dlc_message(const dlc_session *session, const dlc_model *model);
const char *dlc_status_text(int status);

/* The description of a model: records of 64-bit words. Tables and texts are named by bytes from its beginning; texts
 * end with a zero byte. */

/* Axes that a parameter or state may have. */
#define DLC_RANK_MAX 16

typedef struct dlc_head {
    uint64_t magic, version, bytes, graph, features, model, compiler, batch_max, persistent_bytes, constant_bytes;
    uint64_t tensors, tensor_count, functions, function_count, header, header_bytes, variants, variant_count;
} dlc_head;

/* The code of all functions for one set of instructions. */
typedef struct dlc_variant_record {
    uint64_t name, features;
} dlc_variant_record;

typedef struct dlc_tensor_record {
    uint64_t name, role, element, rank, dims, strides, offset, bytes, place, plain_bytes;
} dlc_tensor_record;

typedef struct dlc_function_record {
    uint64_t name, arena_bytes, thread_bytes, keeps_persistent, cleared, cleared_count, ports, inputs, outputs;
} dlc_function_record;

/* Extents are pairs: a factor, and whether the batch is another one. */
typedef struct dlc_port_record {
    uint64_t name, role, element, rank, extents, unit, power;
} dlc_port_record;

#define DLC_MAGIC UINT64_C(0x4c45444f4d434c44)

/* Bytes of an input or output. */
static inline uint64_t dlc_port_bytes(const dlc_port_record *port, uint64_t batch)
{
    uint64_t bytes = port->unit, power;
    for (power = 0; power < port->power; power++) bytes *= batch;
    return bytes;
}

/* Devices: instances whose functions run elsewhere, such as on a GPU (dlc_cuda.c). Parameters and states have a copy
 * here and one there; the instance knows which one is the newest. */

/* A call of a function. */
typedef struct dlc_device_call {
    size_t function, batch;
    /* Whether what depends on parameters and states alone is due, as in dlc_context. */
    int prepare;
    /* Whether another function has used the arena in between: then the parts that this one has cleared are zeroed. */
    int clear;
    /* Inputs, then outputs, each NULL that nobody wants. */
    void *const *bindings;
} dlc_device_call;

/* What an instance asks of a device. Where a function gives a status, it writes what was wrong to `message`, which has
 * room for DLC_MESSAGE_BYTES. */
typedef struct dlc_device {
    /* Parameters and states there become these, those here the device's. */
    dlc_status (*upload)(void *data, const void *persistent, char *message);
    dlc_status (*download)(void *data, void *persistent, char *message);
    /* Wanted outputs are there when it returns. */
    dlc_status (*call)(void *data, const dlc_device_call *call, char *message);
    /* Ends it, with the description. */
    void (*destroy)(void *data);
    /* The first argument of each. */
    void *data;
} dlc_device;

/* Makes an instance of a model on a device, which is the instance's from then on. The description is the device's and
 * sound, `model` is what calls name the model by. */
dlc_status dlc_create_on(dlc_session **session, const dlc_model *model, const void *description,
                         const dlc_device *device);

#ifdef __cplusplus
}
#endif

#endif
