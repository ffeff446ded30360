/* NVIDIA's GPUs as devices of dlc_runtime.c, in C99 with POSIX's dlopen.
 *
 * All memory of a model on the GPU is one block, whose size follows from its description: scratch of the function with
 * the most, parameters and states, constants, inputs and outputs of the function with the most at their greatest sizes.
 * A call copies inputs to memory that does not move, starts its launches as one graph, which is recorded once for a
 * function, a batch and whether the prologue is due, and waits once if an output is wanted. After the first failure
 * everything is refused, since what the GPU holds is worth nothing.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif

#include "dlc_cuda.h"
#include "dlc_cuda_driver.h"
#include "dlc_image.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Of everything in the block, that of the driver's own blocks. */
    ALIGNMENT = 256,
    /* Shared memory that the text declares; a kernel with more is given all of it with the launch. */
    DECLARED_SHARED_BYTES = 48 << 10,
    /* Graphs of a function that are kept, those used last. */
    KEPT = 16,
    /* Launches beyond which a function is not recorded: a graph takes about a kibibyte of the GPU for each. */
    MOST_RECORDED = 1 << 13,
    /* Bytes of an input that go to the GPU at once, so that one piece is on its way while the next is copied. */
    PIECE = 4 << 20,
    SLOTS = 2, NAME_BYTES = 96, LOG_BYTES = 4096, WORDS_BYTES = 200, SUSPECTS_BYTES = 160
};

/* A kernel, ready to launch. */
typedef struct kernel {
    handle function;
    unsigned dynamic_shared;
} kernel;

/* Launches that were recorded and are started as one. */
typedef struct recording {
    handle executable;
    size_t batch;
    int prepare;
    /* When it was used last. */
    uint64_t used;
} recording;

/* Inputs of a call on their way. */
typedef struct slot {
    unsigned char *start;
    /* Behind the copy that reads them last. */
    handle passed;
    int used;
} slot;

/* Bytes of each part of the block; they follow one another. */
typedef struct needs {
    uint64_t arena, persistent, constants, bindings, inputs, outputs;
} needs;

typedef struct gpu {
    driver driver;
    dlc_image image;
    needs needs;
    char name[NAME_BYTES];
    int device, is_held, is_stepwise, records;
    handle context, stream, module;
    address block;
    kernel *kernels;
    /* KEPT for each function. */
    recording *kept;
    uint64_t calls, *parameters;
    slot slots[SLOTS];
    unsigned turn;
    unsigned char *outputs;
    /* The call of the driver that did not succeed, and its answer. */
    const char *asked_for;
    answer answered;
    /* The call in progress, its launch, and the kernel that failed in it. */
    const dlc_device_call *call;
    uint64_t launch;
    const char *failed_kernel;
    /* For each function, whether it was called and nobody has waited for it since: a failure that is noticed later may be
     * its. */
    unsigned char *unwaited;
    /* What the first failure was, once there was one. */
    char lost[DLC_MESSAGE_BYTES];
} gpu;

/* Failures */

static dlc_status fail(char *message, dlc_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, DLC_MESSAGE_BYTES, format, arguments);
    va_end(arguments);
    return status;
}

/* Calls the driver; whether it succeeded. */
#define ASK(self, name, arguments) asked(self, #name, (self)->driver.name arguments)

static int asked(gpu *self, const char *call, answer status)
{
    if (status == 0) return 1;
    self->asked_for = call;
    self->answered = status;
    return 0;
}

/* What the driver says of its last failure: `an illegal memory access was encountered (CUDA_ERROR_…, from cu…)`. */
static const char *words(const gpu *self, char *text)
{
    const char *name = NULL, *told = NULL;
    if (self->driver.cuGetErrorName(self->answered, &name) != 0 || name == NULL) name = "an error without a name";
    if (self->driver.cuGetErrorString(self->answered, &told) != 0 || told == NULL) told = "no words for it";
    snprintf(text, WORDS_BYTES, "%.110s (%.48s, from %.30s)", told, name, self->asked_for);
    return text;
}

static dlc_status driver_failed(const gpu *self, char *message)
{
    char text[WORDS_BYTES];
    dlc_status status = self->answered == OUT_OF_MEMORY ? DLC_NO_MEMORY : DLC_DEVICE;
    return fail(message, status, "%s: %s", self->name[0] == '\0' ? "NVIDIA's driver" : self->name, words(self, text));
}

static const char *function_name(const gpu *self, size_t number)
{
    const dlc_function_record *all =
        (const dlc_function_record *)dlc_image_described(&self->image, self->image.description->functions);
    return (const char *)dlc_image_described(&self->image, all[number].name);
}

/* The functions that a failure may be of, as `one` or `other`, as far as there is room for them. */
static const char *suspects(const gpu *self, char *text)
{
    uint64_t number;
    size_t used = 0;
    text[0] = '\0';
    for (number = 0; number < self->image.head->function_count && used + NAME_BYTES < SUSPECTS_BYTES; number++) {
        if (self->unwaited[number]) {
            used += (size_t)snprintf(text + used, NAME_BYTES, "%s`%.48s`", used == 0 ? "" : " or ",
                                     function_name(self, (size_t)number));
        }
    }
    return text;
}

/* Everything is refused from now on, with these words. */
static dlc_status lose(gpu *self, char *message)
{
    char text[WORDS_BYTES], names[SUSPECTS_BYTES];
    words(self, text);
    if (self->call != NULL) self->unwaited[self->call->function] = 1;
    suspects(self, names);
    if (self->failed_kernel != NULL && self->call != NULL) {
        fail(self->lost, DLC_DEVICE, "launch %llu of `%.32s`, the kernel `%.48s`, failed: %s",
             (unsigned long long)self->launch, function_name(self, self->call->function), self->failed_kernel, text);
    } else if (names[0] == '\0') {
        fail(self->lost, DLC_DEVICE, "%s", text);
    } else {
        fail(self->lost, DLC_DEVICE, "%s failed: %s; with DLC_CUDA_STEPWISE=1 the error names the kernel", names, text);
    }
    return fail(message, DLC_DEVICE, "%.64s: %.250s", self->name, self->lost);
}

/* Somebody has waited for all that was called. */
static void waited(gpu *self)
{
    memset(self->unwaited, 0, (size_t)self->image.head->function_count);
}

/* Refuses everything after the first failure. */
static dlc_status alive(const gpu *self, char *message)
{
    if (self->lost[0] == '\0') return DLC_OK;
    return fail(message, DLC_DEVICE, "%.48s failed before, and what it holds is lost: %.220s", self->name, self->lost);
}

/* Bytes for people: `1.5 MiB`. */
static const char *size_text(uint64_t bytes, char *text)
{
    static const char *const units[] = {"KiB", "MiB", "GiB"};
    unsigned unit = 3;
    while (unit > 0 && bytes >> 10 * unit == 0) unit--;
    if (unit == 0) snprintf(text, 32, "%llu bytes", (unsigned long long)bytes);
    else snprintf(text, 32, "%.1f %s", (double)bytes / (double)(UINT64_C(1) << 10 * unit), units[unit - 1]);
    return text;
}

/* The driver */

/* Loads the driver and starts it. It is never unloaded, since threads of its own may run in it. */
static dlc_status driver_opened(gpu *self, char *message)
{
    static const struct { const char *name, *since; size_t place; } rows[] = {
#define ROW(since, name, parameters) {#name, since, offsetof(driver, name)},
        FUNCTIONS(ROW)
#undef ROW
    };
    const char *library = getenv("DLC_CUDA_DRIVER");
    answer (*version_of)(int *) = NULL;
    void *opened, *found;
    int version = 0;
    size_t row;
    if (library == NULL || library[0] == '\0') library = "libcuda.so.1";
    opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (opened == NULL) {
        const char *cause = dlerror();
        return fail(message, DLC_NO_DEVICE,
                    "this machine has no NVIDIA driver (%.200s); without one, compute on the CPU",
                    cause == NULL ? library : cause);
    }
    /* ISO C has no cast from an object's address to a function's. */
    found = dlsym(opened, "cuDriverGetVersion");
    memcpy(&version_of, &found, sizeof found);
    if (found == NULL || version_of(&version) != 0) {
        return fail(message, DLC_NO_DEVICE,
                    "%.160s is no driver of NVIDIA's: it has no `cuDriverGetVersion` that answers", library);
    }
    for (row = 0; row < sizeof rows / sizeof *rows; row++) {
        found = dlsym(opened, rows[row].name);
        if (found == NULL) {
            return fail(message, DLC_NO_DEVICE,
                        "NVIDIA's driver is too old: %.80s is for CUDA %d.%d and lacks `%s`, which drivers for CUDA %s "
                        "have; update the driver to one for CUDA 12.0 or later",
                        library, version / 1000, version % 1000 / 10, rows[row].name, rows[row].since);
        }
        memcpy((char *)&self->driver + rows[row].place, &found, sizeof found);
    }
    if (ASK(self, cuInit, (0))) return DLC_OK;
    if (self->answered == NO_GPU) {
        return fail(message, DLC_NO_DEVICE, "NVIDIA's driver finds no GPU that it may use on this machine");
    }
    return driver_failed(self, message);
}

/* Makes the GPU's context current on this thread; LEAVE puts back what was. */
#define ENTER(self) ASK(self, cuCtxPushCurrent_v2, ((self)->context))

static void leave(gpu *self)
{
    handle before;
    self->driver.cuCtxPopCurrent_v2(&before);
}

/* Finds the GPU, and holds its context, which all users of it in this process share. */
static dlc_status gpu_found(gpu *self, unsigned ordinal, char *message)
{
    int count = 0, major = 0, minor = 0;
    const dlc_image_head *code = self->image.head;
    uint64_t own, wanted = code->major << 32 | code->minor;
    if (!ASK(self, cuDeviceGetCount, (&count))) return driver_failed(self, message);
    if (count < 1) {
        return fail(message, DLC_NO_DEVICE, "NVIDIA's driver finds no GPU that it may use on this machine");
    }
    if (ordinal >= (unsigned)count) {
        return fail(message, DLC_NO_DEVICE, "there is no GPU %u: this machine has %d, numbered from 0", ordinal, count);
    }
    if (!ASK(self, cuDeviceGet, (&self->device, (int)ordinal)) ||
        !ASK(self, cuDeviceGetName, (self->name, NAME_BYTES - 1, self->device)) ||
        !ASK(self, cuDeviceGetAttribute, (&major, MAJOR, self->device)) ||
        !ASK(self, cuDeviceGetAttribute, (&minor, MINOR, self->device))) {
        return driver_failed(self, message);
    }
    own = (uint64_t)major << 32 | (uint64_t)minor;
    if (code->exact ? own != wanted : own < wanted) {
        return fail(message, DLC_NO_INSTRUCTIONS,
                    "the code is for sm_%llu%llu%s, the GPU %.64s is sm_%d%d: compile for sm_%d%d, or an earlier one",
                    (unsigned long long)code->major, (unsigned long long)code->minor, code->exact ? "a" : "",
                    self->name, major, minor, major, minor);
    }
    if (!ASK(self, cuDevicePrimaryCtxRetain, (&self->context, self->device))) return driver_failed(self, message);
    self->is_held = 1;
    return DLC_OK;
}

/* Memory */

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + (ALIGNMENT - 1)) / ALIGNMENT * ALIGNMENT;
}

static const dlc_port_record *ports_of(const gpu *self, const dlc_function_record *function)
{
    return (const dlc_port_record *)dlc_image_described(&self->image, function->ports);
}

static const dlc_function_record *function_of(const gpu *self, size_t number)
{
    const dlc_head *head = self->image.description;
    return (const dlc_function_record *)dlc_image_described(&self->image, head->functions) + number;
}

/* Bytes of everything; 0 where they are more than an address can tell. */
static int planned(gpu *self)
{
    const uint64_t most = (uint64_t)((size_t)-1 / 4);
    const dlc_head *head = self->image.description;
    needs *all = &self->needs;
    uint64_t number, port;
    all->persistent = aligned(head->persistent_bytes);
    all->constants = aligned(head->constant_bytes);
    for (number = 0; number < head->function_count; number++) {
        const dlc_function_record *function = function_of(self, (size_t)number);
        uint64_t inputs = 0, outputs = 0;
        for (port = 0; port < function->inputs + function->outputs; port++) {
            uint64_t bytes = aligned(dlc_port_bytes(ports_of(self, function) + port, head->batch_max));
            if (port < function->inputs) inputs += bytes;
            else outputs += bytes;
            if (bytes > most || inputs > most || outputs > most) return 0;
        }
        if (aligned(function->arena_bytes) > all->arena) all->arena = aligned(function->arena_bytes);
        if (inputs > all->inputs) all->inputs = inputs;
        if (outputs > all->outputs) all->outputs = outputs;
        if (inputs + outputs > all->bindings) all->bindings = inputs + outputs;
    }
    return all->arena + all->persistent + all->constants + all->bindings <= most;
}

static uint64_t total(const needs *all)
{
    return all->arena + all->persistent + all->constants + all->bindings;
}

static uint64_t constants_start(const gpu *self)
{
    return self->needs.arena + self->needs.persistent;
}

static uint64_t bindings_start(const gpu *self)
{
    return constants_start(self) + self->needs.constants;
}

/* The first byte of an input or output among all of them, on the GPU. */
static uint64_t binding_start(const gpu *self, const dlc_function_record *function, uint64_t number)
{
    uint64_t port, start = bindings_start(self);
    for (port = 0; port < number; port++) {
        start += aligned(dlc_port_bytes(ports_of(self, function) + port, self->image.description->batch_max));
    }
    return start;
}

/* Memory of this machine that does not move. */
static int pinned(gpu *self, unsigned char **start, uint64_t bytes)
{
    void *pointer = NULL;
    if (bytes == 0) return 1;
    if (!ASK(self, cuMemHostAlloc, (&pointer, (size_t)bytes, 0))) return 0;
    *start = (unsigned char *)pointer;
    return 1;
}

static dlc_status memory_taken(gpu *self, char *message)
{
    char wanted[32], arena[32], persistent[32], constants[32], bindings[32], there[32];
    const needs *all = &self->needs;
    const dlc_image_head *head = self->image.head;
    uint64_t bytes = total(all);
    size_t free_bytes = 0, every = 0;
    unsigned number;
    /* The driver gives no empty blocks. What is free is an estimate, so it is asked for the block itself. */
    if (!ASK(self, cuMemAlloc_v2, (&self->block, bytes == 0 ? 1 : (size_t)bytes))) {
        if (self->answered != OUT_OF_MEMORY) return driver_failed(self, message);
        if (!ASK(self, cuMemGetInfo_v2, (&free_bytes, &every))) return driver_failed(self, message);
        return fail(message, DLC_NO_MEMORY,
                    "the model needs %s (%s for values on the way, %s for parameters and states, %s for constants, %s "
                    "for inputs and outputs) on the GPU %.64s, of which %s are free", size_text(bytes, wanted),
                    size_text(all->arena, arena), size_text(all->persistent, persistent),
                    size_text(all->constants, constants), size_text(all->bindings, bindings), self->name,
                    size_text(free_bytes, there));
    }
    for (number = 0; number < SLOTS; number++) {
        if (!pinned(self, &self->slots[number].start, all->inputs) ||
            !ASK(self, cuEventCreate, (&self->slots[number].passed, 0))) {
            return driver_failed(self, message);
        }
    }
    if (!pinned(self, &self->outputs, all->outputs)) return driver_failed(self, message);
    bytes = constants_start(self);
    if ((bytes > 0 && !ASK(self, cuMemsetD8Async, (self->block, 0, (size_t)bytes, self->stream))) ||
        (head->constant_bytes > 0 &&
         !ASK(self, cuMemcpyHtoDAsync_v2, (self->block + bytes, dlc_image_at(&self->image, head->constants),
                                           (size_t)head->constant_bytes, self->stream))) ||
        !ASK(self, cuStreamSynchronize, (self->stream))) {
        return driver_failed(self, message);
    }
    return DLC_OK;
}

/* Code */

static dlc_status text_translated(gpu *self, char *message)
{
    char log[LOG_BYTES] = "", text[WORDS_BYTES];
    unsigned options[] = {ERROR_LOG, ERROR_LOG_BYTES};
    /* Lengths are passed as pointers. */
    void *values[] = {log, (void *)(uintptr_t)LOG_BYTES};
    if (ASK(self, cuModuleLoadDataEx,
            (&self->module, dlc_image_at(&self->image, self->image.head->text), 2, options, values))) {
        return DLC_OK;
    }
    if (self->answered == OUT_OF_MEMORY) return driver_failed(self, message);
    if (self->answered == UNSUPPORTED_PTX_VERSION) {
        return fail(message, DLC_NO_DEVICE,
                    "NVIDIA's driver is too old for this form of PTX; update it to one for CUDA 12.0 or later");
    }
    log[LOG_BYTES - 1] = '\0';
    return fail(message, DLC_DEVICE, "the driver refuses the model's code: %s%s%.90s", words(self, text),
                log[0] == '\0' ? "" : ": ", log);
}

static dlc_status limited(const gpu *self, const char *name, const char *what, uint64_t needed, int most, char *message)
{
    if (most >= 0 && needed <= (uint64_t)most) return DLC_OK;
    return fail(message, DLC_DEVICE, "the kernel `%.64s` needs %llu %s; the GPU %.64s has %d", name,
                (unsigned long long)needed, what, self->name, most);
}

/* Every kernel of the table, with its limits checked. */
static dlc_status kernels_found(gpu *self, char *message)
{
    int most_shared = 0, most_threads;
    uint64_t number;
    if (!ASK(self, cuDeviceGetAttribute, (&most_shared, SHARED_BYTES, self->device))) {
        return driver_failed(self, message);
    }
    for (number = 0; number < self->image.head->kernel_count; number++) {
        const dlc_image_kernel *one = self->image.kernels + number;
        const char *name = (const char *)dlc_image_at(&self->image, one->name);
        kernel *made = self->kernels + number;
        dlc_status status =
            limited(self, name, "bytes of shared memory for a block", one->shared_bytes, most_shared, message);
        if (status != DLC_OK) return status;
        if (!ASK(self, cuModuleGetFunction, (&made->function, self->module, name)) ||
            !ASK(self, cuFuncGetAttribute, (&most_threads, MOST_THREADS, made->function))) {
            return driver_failed(self, message);
        }
        status = limited(self, name, "threads in a block", one->threads, most_threads, message);
        if (status != DLC_OK) return status;
        if (one->shared_bytes <= DECLARED_SHARED_BYTES) continue;
        made->dynamic_shared = (unsigned)one->shared_bytes;
        if (!ASK(self, cuFuncSetAttribute, (made->function, DYNAMIC_SHARED_BYTES, (int)made->dynamic_shared))) {
            return driver_failed(self, message);
        }
    }
    return DLC_OK;
}

/* Launches */

static address operand_address(const gpu *self, const dlc_image_operand *operand, const uint64_t *rounds)
{
    address start = self->block + dlc_image_start(&self->image, operand, rounds);
    switch (operand->memory) {
    case DLC_IN_ARENA: return start;
    case DLC_IN_PERSISTENT: return start + self->needs.arena;
    case DLC_IN_CONSTANTS: return start + constants_start(self);
    default: return start + binding_start(self, function_of(self, self->call->function), operand->number);
    }
}

/* Puts one launch of the call in progress into the stream. */
static int launched(void *data, const dlc_image_step *step, const uint64_t *rounds)
{
    gpu *self = (gpu *)data;
    const dlc_image_kernel *one = self->image.kernels + step->number;
    const dlc_image_operand *operands = (const dlc_image_operand *)dlc_image_at(&self->image, step->place);
    const kernel *ready = self->kernels + step->number;
    uint32_t blocks = dlc_image_blocks(&self->image, one, self->call->batch);
    size_t bytes = (size_t)(1 + step->count) * sizeof(uint64_t);
    /* CU_LAUNCH_PARAM_BUFFER_POINTER, CU_LAUNCH_PARAM_BUFFER_SIZE, CU_LAUNCH_PARAM_END: this form tells the driver how
     * many bytes there are, so that it reads no further. */
    void *extra[5];
    uint64_t number;
    if (blocks == 0) return 1;
    self->parameters[0] = self->call->batch;
    for (number = 0; number < step->count; number++) {
        self->parameters[1 + number] = operand_address(self, operands + number, rounds);
    }
    extra[0] = (void *)(uintptr_t)1;
    extra[1] = self->parameters;
    extra[2] = (void *)(uintptr_t)2;
    extra[3] = &bytes;
    extra[4] = NULL;
    if (ASK(self, cuLaunchKernel, (ready->function, blocks, 1, 1, (unsigned)one->threads, 1, 1, ready->dynamic_shared,
                                   self->stream, NULL, extra)) &&
        (!self->is_stepwise || ASK(self, cuStreamSynchronize, (self->stream)))) {
        self->launch++;
        return 1;
    }
    self->failed_kernel = (const char *)dlc_image_at(&self->image, one->name);
    return 0;
}

static int all_launched(gpu *self)
{
    self->launch = 0;
    return dlc_image_walk(&self->image, self->call->function, self->call->prepare, launched, self);
}

/* Records the launches of the call in progress, which does not run them. */
static int recorded(gpu *self, handle *executable)
{
    handle graph = NULL;
    int done;
    if (!ASK(self, cuStreamBeginCapture_v2, (self->stream, THREAD_LOCAL))) return 0;
    done = all_launched(self);
    /* The recording is ended whatever became of it, so that the stream runs again. */
    if (!done) self->driver.cuStreamEndCapture(self->stream, &graph);
    else done = ASK(self, cuStreamEndCapture, (self->stream, &graph));
    done = done && ASK(self, cuGraphInstantiateWithFlags, (executable, graph, 0));
    if (graph != NULL) self->driver.cuGraphDestroy(graph);
    return done;
}

/* The place of the call's graph among those of its function; without a graph where there is none yet. */
static recording *place_of(gpu *self)
{
    recording *all = self->kept + self->call->function * KEPT, *one, *oldest = all;
    for (one = all; one < all + KEPT; one++) {
        int fits = one->batch == self->call->batch && one->prepare == self->call->prepare;
        if (one->executable != NULL && fits) return one;
        if (one->used < oldest->used) oldest = one;
    }
    if (oldest->executable != NULL) {
        /* It may still run. */
        if (!ASK(self, cuStreamSynchronize, (self->stream))) return NULL;
        self->driver.cuGraphExecDestroy(oldest->executable);
        memset(oldest, 0, sizeof *oldest);
    }
    return oldest;
}

/* Starts the launches of the call in progress. */
static int started(gpu *self)
{
    recording *one;
    if (!self->records || self->is_stepwise) return all_launched(self);
    if (dlc_image_launches(&self->image, self->call->function) > MOST_RECORDED) return all_launched(self);
    one = place_of(self);
    if (one == NULL) return 0;
    if (one->executable == NULL) {
        if (!recorded(self, &one->executable)) {
            one->executable = NULL;
            if (self->answered != OUT_OF_MEMORY) return 0;
            /* Single launches need no memory for a graph, and give the same bits. */
            self->records = 0;
            self->failed_kernel = NULL;
            return all_launched(self);
        }
        one->batch = self->call->batch;
        one->prepare = self->call->prepare;
    }
    one->used = ++self->calls;
    return ASK(self, cuGraphLaunch, (one->executable, self->stream));
}

/* Calls */

static int inputs_sent(gpu *self)
{
    const dlc_function_record *function = function_of(self, self->call->function);
    slot *one = &self->slots[self->turn = (self->turn + 1) % SLOTS];
    const uint64_t *cleared = (const uint64_t *)dlc_image_described(&self->image, function->cleared);
    unsigned char *host = one->start;
    uint64_t number, place;
    if (one->used && !ASK(self, cuEventSynchronize, (one->passed))) return 0;
    for (number = 0; number < function->inputs; number++) {
        const dlc_port_record *port = ports_of(self, function) + number;
        const unsigned char *from = (const unsigned char *)self->call->bindings[number];
        uint64_t bytes = dlc_port_bytes(port, self->call->batch), to = self->block;
        to += binding_start(self, function, number);
        for (place = 0; place < bytes; place += PIECE) {
            size_t piece = bytes - place < PIECE ? (size_t)(bytes - place) : PIECE;
            memcpy(host + place, from + place, piece);
            if (!ASK(self, cuMemcpyHtoDAsync_v2, (to + place, host + place, piece, self->stream))) return 0;
        }
        host += aligned(dlc_port_bytes(port, self->image.description->batch_max));
    }
    if (!ASK(self, cuEventRecord, (one->passed, self->stream))) return 0;
    one->used = 1;
    for (number = 0; self->call->clear && number < function->cleared_count; number++) {
        if (cleared[2 * number + 1] == 0) continue;
        if (!ASK(self, cuMemsetD8Async,
                 (self->block + cleared[2 * number], 0, (size_t)cleared[2 * number + 1], self->stream))) return 0;
    }
    return 1;
}

/* Has the wanted outputs come to memory that does not move, or brings them from there to the caller's. */
static int outputs_passed(gpu *self, int are_here, int *wanted)
{
    const dlc_function_record *function = function_of(self, self->call->function);
    unsigned char *host = self->outputs;
    uint64_t number;
    *wanted = 0;
    for (number = function->inputs; number < function->inputs + function->outputs; number++) {
        const dlc_port_record *port = ports_of(self, function) + number;
        size_t bytes = (size_t)dlc_port_bytes(port, self->call->batch);
        void *to = self->call->bindings[number];
        if (to != NULL) {
            *wanted = 1;
            if (are_here) {
                memcpy(to, host, bytes);
            } else if (bytes > 0 && !ASK(self, cuMemcpyDtoHAsync_v2,
                                         (host, self->block + binding_start(self, function, number), bytes,
                                          self->stream))) {
                return 0;
            }
        }
        host += aligned(dlc_port_bytes(port, self->image.description->batch_max));
    }
    return 1;
}

static dlc_status gpu_call(void *data, const dlc_device_call *call, char *message)
{
    gpu *self = (gpu *)data;
    int wanted = 0, done;
    dlc_status status = alive(self, message);
    if (status != DLC_OK) return status;
    self->call = call;
    self->failed_kernel = NULL;
    done = ENTER(self);
    if (done) {
        done = inputs_sent(self) && started(self) && outputs_passed(self, 0, &wanted) &&
               (!wanted || ASK(self, cuStreamSynchronize, (self->stream)));
        leave(self);
    }
    if (!done) status = lose(self, message);
    else if (!wanted) self->unwaited[call->function] = 1;
    else {
        outputs_passed(self, 1, &wanted);
        waited(self);
    }
    self->call = NULL;
    return status;
}

/* Copies parameters and states, to the GPU where `from` is not NULL, and waits. */
static dlc_status persistent_copied(gpu *self, const void *from, void *to, char *message)
{
    size_t bytes = (size_t)self->image.description->persistent_bytes;
    address there = self->block + self->needs.arena;
    dlc_status status = alive(self, message);
    int done;
    if (status != DLC_OK || bytes == 0) return status;
    done = ENTER(self);
    if (done) {
        done = from != NULL ? ASK(self, cuMemcpyHtoDAsync_v2, (there, from, bytes, self->stream))
                            : ASK(self, cuMemcpyDtoHAsync_v2, (to, there, bytes, self->stream));
        done = done && ASK(self, cuStreamSynchronize, (self->stream));
        leave(self);
    }
    if (!done) return lose(self, message);
    waited(self);
    return DLC_OK;
}

static dlc_status gpu_upload(void *data, const void *persistent, char *message)
{
    return persistent_copied((gpu *)data, persistent, NULL, message);
}

static dlc_status gpu_download(void *data, void *persistent, char *message)
{
    return persistent_copied((gpu *)data, NULL, persistent, message);
}

/* Instances */

/* Gives back whatever there is of it. Failures have nobody left to hear of them. */
static void gpu_destroy(void *data)
{
    gpu *self = (gpu *)data;
    uint64_t number;
    if (self->is_held && ENTER(self)) {
        /* Whatever is on its way uses memory that goes now. */
        if (self->stream != NULL) self->driver.cuStreamSynchronize(self->stream);
        for (number = 0; self->kept != NULL && number < self->image.head->function_count * KEPT; number++) {
            if (self->kept[number].executable != NULL) self->driver.cuGraphExecDestroy(self->kept[number].executable);
        }
        for (number = 0; number < SLOTS; number++) {
            if (self->slots[number].passed != NULL) self->driver.cuEventDestroy_v2(self->slots[number].passed);
            if (self->slots[number].start != NULL) self->driver.cuMemFreeHost(self->slots[number].start);
        }
        if (self->outputs != NULL) self->driver.cuMemFreeHost(self->outputs);
        if (self->block != 0) self->driver.cuMemFree_v2(self->block);
        if (self->module != NULL) self->driver.cuModuleUnload(self->module);
        if (self->stream != NULL) self->driver.cuStreamDestroy_v2(self->stream);
        leave(self);
    }
    if (self->is_held) self->driver.cuDevicePrimaryCtxRelease_v2(self->device);
    dlc_image_drop(&self->image);
    free(self->kernels);
    free(self->kept);
    free(self->unwaited);
    free(self->parameters);
    free(self);
}

/* Memory of this machine for what is known of the code. */
static dlc_status tables_taken(gpu *self, char *message)
{
    const dlc_image_head *head = self->image.head;
    uint64_t number, operands = 0;
    for (number = 0; number < head->kernel_count; number++) {
        if (self->image.kernels[number].operands > operands) operands = self->image.kernels[number].operands;
    }
    self->kernels = (kernel *)calloc((size_t)head->kernel_count + 1, sizeof *self->kernels);
    self->kept = (recording *)calloc((size_t)head->function_count * KEPT + 1, sizeof *self->kept);
    self->unwaited = (unsigned char *)calloc((size_t)head->function_count + 1, 1);
    self->parameters = (uint64_t *)calloc((size_t)operands + 1, sizeof *self->parameters);
    if (self->kernels != NULL && self->kept != NULL && self->unwaited != NULL && self->parameters != NULL) {
        return DLC_OK;
    }
    return fail(message, DLC_NO_MEMORY, "there is no memory for the tables of the model's code");
}

/* Whether the file is of the model that the program was compiled with. */
static dlc_status checked(const gpu *self, const dlc_gpu_options *options, char *message)
{
    const dlc_head *description = self->image.description;
    if (description->graph != options->graph) {
        return fail(message, DLC_OTHER_MODEL,
                    "%.120s is of the model %.64s (graph %016llx), the program of one with the graph %016llx",
                    options->path, (const char *)dlc_image_described(&self->image, description->model),
                    (unsigned long long)description->graph, (unsigned long long)options->graph);
    }
    if (dlc_image_functions(&self->image) != options->functions) {
        return fail(message, DLC_OTHER_MODEL,
                    "the functions of %.160s are not those of the program: compile the code and the header together",
                    options->path);
    }
    return DLC_OK;
}

static dlc_status gpu_made(gpu *self, const dlc_gpu_options *options, char *message)
{
    const char *stepwise = getenv("DLC_CUDA_STEPWISE");
    dlc_status status = dlc_image_read(&self->image, options->path, message);
    if (status == DLC_OK) status = checked(self, options, message);
    if (status == DLC_OK) status = tables_taken(self, message);
    if (status == DLC_OK && !planned(self)) {
        status = fail(message, DLC_NO_MEMORY, "the model needs more memory than there are addresses");
    }
    if (status == DLC_OK) status = driver_opened(self, message);
    if (status == DLC_OK) status = gpu_found(self, options->ordinal, message);
    if (status != DLC_OK) return status;
    self->is_stepwise = stepwise != NULL && strcmp(stepwise, "1") == 0;
    self->records = 1;
    if (!ENTER(self)) return driver_failed(self, message);
    if (!ASK(self, cuStreamCreate, (&self->stream, NON_BLOCKING))) status = driver_failed(self, message);
    if (status == DLC_OK) status = memory_taken(self, message);
    if (status == DLC_OK) status = text_translated(self, message);
    if (status == DLC_OK) status = kernels_found(self, message);
    leave(self);
    return status;
}

dlc_status dlc_create_on_gpu(dlc_session **session, const dlc_model *model, const dlc_gpu_options *options)
{
    char message[DLC_MESSAGE_BYTES] = "";
    dlc_device device = {gpu_upload, gpu_download, gpu_call, gpu_destroy, NULL};
    dlc_status status;
    gpu *self;
    if (session == NULL || model == NULL || options == NULL) return DLC_NULL_POINTER;
    *session = NULL;
    if (options->message != NULL && options->message_bytes > 0) options->message[0] = '\0';
    if (options->path == NULL) return DLC_NULL_POINTER;
    self = (gpu *)calloc(1, sizeof *self);
    if (self == NULL) return DLC_NO_MEMORY;
    device.data = self;
    status = gpu_made(self, options, message);
    if (status == DLC_OK) status = dlc_create_on(session, model, self->image.description, &device);
    if (status != DLC_OK) gpu_destroy(self);
    if (options->message != NULL && options->message_bytes > 0) {
        snprintf(options->message, options->message_bytes, "%s", message);
    }
    return status;
}
