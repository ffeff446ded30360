/* The runtime of models that dlc compiled, in C99: instances, threads, files. Instances on a device leave calls to the
 * device (dlc_create_on).
 *
 * With POSIX it has threads of its own; -DDLC_NO_THREADS leaves them out, and -DDLC_NO_FILES leaves out files, for
 * machines that have none. -DDLC_NO_DEVICES leaves out devices, which the shared library of a model has not either.
 * Memory is taken once, by dlc_create, and while a file is read.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif

#if defined(DLC_SHARED) && !defined(DLC_NO_DEVICES)
#define DLC_NO_DEVICES 1
#endif

#include "dlc_runtime.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(DLC_NO_THREADS)
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#endif
#if !defined(DLC_NO_FILES) && (defined(__unix__) || defined(__APPLE__))
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define DLC_POSIX_FILES 1
#elif defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif

#if defined(__GNUC__)
typedef uint32_t counter;
#define LOAD(place) __atomic_load_n(place, __ATOMIC_SEQ_CST)
#define STORE(place, value) __atomic_store_n(place, value, __ATOMIC_SEQ_CST)
#define ADD(place, value) __atomic_fetch_add(place, value, __ATOMIC_SEQ_CST)
#define SWAP(place, value) __atomic_exchange_n(place, value, __ATOMIC_SEQ_CST)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L && !defined(__STDC_NO_ATOMICS__)
#include <stdatomic.h>
typedef _Atomic uint32_t counter;
#define LOAD(place) atomic_load(place)
#define STORE(place, value) atomic_store(place, value)
#define ADD(place, value) atomic_fetch_add(place, value)
#define SWAP(place, value) atomic_exchange(place, value)
#else
#error "dlc_runtime.c needs the atomic operations of GNU C or of C11"
#endif

enum { ROLE_STATE = 1 };

static const char *const safetensors_names[DLC_DTYPES] = {
    "F16", "BF16", "F32", "F64", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL",
};

static const void *at(const dlc_model *model, uint64_t place)
{
    return (const unsigned char *)model->description + place;
}

static const dlc_head *head_of(const dlc_model *model)
{
    return (const dlc_head *)model->description;
}

static const dlc_tensor_record *tensors_of(const dlc_model *model)
{
    return (const dlc_tensor_record *)at(model, head_of(model)->tensors);
}

static const dlc_function_record *function_of(const dlc_model *model, size_t number)
{
    return (const dlc_function_record *)at(model, head_of(model)->functions) + number;
}

static const dlc_variant_record *variants_of(const dlc_model *model)
{
    return (const dlc_variant_record *)at(model, head_of(model)->variants);
}

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + (DLC_ALIGNMENT - 1)) / DLC_ALIGNMENT * DLC_ALIGNMENT;
}

/* Waiting: a bounded spin, a few yields, then sleep. A gate counts how often it was opened; who waits names the count
 * it has seen, so that an opening between the look and the wait is not missed. */

#if !defined(DLC_NO_THREADS)

enum { SPINS_WITH_A_CORE_EACH = 20000, SPINS_WITH_SHARED_CORES = 100, YIELDS = 32, MOST_THREADS = 4096 };

typedef struct gate {
    counter openings, sleepers;
    pthread_mutex_t lock;
    pthread_cond_t opened;
} gate;

static void relax(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ __volatile__("isb");
#endif
}

static int gate_make(gate *one)
{
    STORE(&one->openings, 0);
    STORE(&one->sleepers, 0);
    if (pthread_mutex_init(&one->lock, NULL) != 0) return 0;
    if (pthread_cond_init(&one->opened, NULL) == 0) return 1;
    pthread_mutex_destroy(&one->lock);
    return 0;
}

static void gate_drop(gate *one)
{
    pthread_cond_destroy(&one->opened);
    pthread_mutex_destroy(&one->lock);
}

static void gate_open(gate *one)
{
    ADD(&one->openings, 1);
    if (LOAD(&one->sleepers) > 0) {
        pthread_mutex_lock(&one->lock);
        pthread_mutex_unlock(&one->lock);
        pthread_cond_broadcast(&one->opened);
    }
}

static void gate_wait(gate *one, uint32_t seen, uint32_t spins)
{
    uint32_t turn;
    for (turn = 0; turn < spins; turn++) {
        if (LOAD(&one->openings) != seen) return;
        relax();
    }
    for (turn = 0; turn < YIELDS; turn++) {
        if (LOAD(&one->openings) != seen) return;
        sched_yield();
    }
    pthread_mutex_lock(&one->lock);
    ADD(&one->sleepers, 1);
    while (LOAD(&one->openings) == seen) pthread_cond_wait(&one->opened, &one->lock);
    ADD(&one->sleepers, (uint32_t)-1);
    pthread_mutex_unlock(&one->lock);
}

typedef struct worker {
    dlc_session *session;
    pthread_t thread;
    int64_t number;
} worker;

#else
enum { MOST_THREADS = 1 };
#endif

#if defined(DLC_NO_DEVICES)
#define ON_DEVICE(session) 0
#else
#define ON_DEVICE(session) ((session)->device.call != NULL)
#endif

enum { LIVING = 0x646c6373 };

struct dlc_session {
    uint32_t living;
    counter busy;
    /* What calls name the model by, and what describes it: the same, but for a device, whose description is its own. */
    const dlc_model *owner, *model;
    dlc_model there;
    /* Where functions run, if not here; then there is no arena, scratch or staging. */
    dlc_device device;
    /* Whether parameters and states here, or those on the device, are newer than the others. */
    int newer_here, newer_there;
    unsigned char *persistent, *arena, *scratch, *staging;
    void **bindings;
    uint64_t *places;
    void *owned;
    /* The function that used the arena last, plus one. */
    size_t arena_user;
    /* Whether parameters and states are those that this function saw in its last call. */
    int persistent_seen;
    /* Whether there are weights. */
    int ready;
    uint32_t threads;
    dlc_pool pool;
    dlc_context context;
    dlc_entry entry;
    /* Number of the code in use, of those for different instructions. */
    uint64_t variant;
    uint64_t scratch_bytes;
    char message[DLC_MESSAGE_BYTES];
#if !defined(DLC_NO_THREADS)
    uint32_t spins, started;
    int gates;
    counter arrived, ending;
    gate start, meeting;
    worker *workers;
#endif
};

static dlc_status fail(dlc_session *session, dlc_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(session->message, DLC_MESSAGE_BYTES, format, arguments);
    va_end(arguments);
    return status;
}

/* Threads */

static void barrier(const void *data)
{
#if !defined(DLC_NO_THREADS)
    dlc_session *session = (dlc_session *)data;
    uint32_t seen;
    if (session->threads == 1) return;
    seen = LOAD(&session->meeting.openings);
    if (ADD(&session->arrived, 1) + 1 == session->threads) {
        STORE(&session->arrived, 0);
        gate_open(&session->meeting);
    } else {
        gate_wait(&session->meeting, seen, session->spins);
    }
#else
    (void)data;
#endif
}

static void perform(dlc_session *session, int64_t thread)
{
    uint64_t before = dlc_float_enter();
    session->entry(&session->context, thread);
    dlc_float_leave(before);
}

static void pool_task(void *session, int thread)
{
    perform((dlc_session *)session, thread);
}

#if !defined(DLC_NO_THREADS)
static void *work(void *argument)
{
    worker *self = (worker *)argument;
    dlc_session *session = self->session;
    uint32_t seen = 0;
    for (;;) {
        gate_wait(&session->start, seen, session->spins);
        seen++;
        if (LOAD(&session->ending)) return NULL;
        perform(session, self->number);
        barrier(session);
    }
}

static void end_threads(dlc_session *session)
{
    uint32_t number;
    if (!session->gates) return;
    STORE(&session->ending, 1);
    gate_open(&session->start);
    for (number = 0; number < session->started; number++) pthread_join(session->workers[number].thread, NULL);
    gate_drop(&session->start);
    gate_drop(&session->meeting);
    session->gates = 0;
}

static dlc_status start_threads(dlc_session *session)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    session->spins = (long)session->threads <= cores ? SPINS_WITH_A_CORE_EACH : SPINS_WITH_SHARED_CORES;
    if (session->threads == 1) return DLC_OK;
    if (!gate_make(&session->start)) return DLC_NO_THREADS_LEFT;
    if (!gate_make(&session->meeting)) {
        gate_drop(&session->start);
        return DLC_NO_THREADS_LEFT;
    }
    session->gates = 1;
    if (session->pool.run != NULL) return DLC_OK;
    while (session->started + 1 < session->threads) {
        worker *one = &session->workers[session->started];
        one->session = session;
        one->number = (int64_t)session->started + 1;
        if (pthread_create(&one->thread, NULL, work, one) != 0) {
            end_threads(session);
            return DLC_NO_THREADS_LEFT;
        }
        session->started++;
    }
    return DLC_OK;
}
#else
static void end_threads(dlc_session *session) { (void)session; }
static dlc_status start_threads(dlc_session *session) { (void)session; return DLC_OK; }
#endif

static void run(dlc_session *session)
{
    if (session->threads == 1) {
        perform(session, 0);
        return;
    }
    if (session->pool.run != NULL) {
        session->pool.run(session->pool.data, pool_task, session, (int)session->threads);
        return;
    }
#if !defined(DLC_NO_THREADS)
    gate_open(&session->start);
    perform(session, 0);
    barrier(session);
#endif
}

/* Instructions */

static uint64_t machine_features(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    unsigned a, b, c, d, first = 0, wide = 0, more = 0, old = 0, saved = 0;
    uint64_t found = 0;
    int has_avx, has_avx512;
    if (__get_cpuid(1, &a, &b, &c, &d)) first = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) wide = b, more = c;
    if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) old = c;
    /* Whether the system saves wide registers. */
    if (first >> 27 & 1u) __asm__ __volatile__("xgetbv" : "=a"(saved), "=d"(d) : "c"(0));
    has_avx = (saved & 0x06u) == 0x06u;
    has_avx512 = (saved & 0xe6u) == 0xe6u;
#define HAS(bit, word, place, where) if ((word) >> (place) & 1u && (where)) found |= UINT64_C(1) << (bit)
    HAS(0, first, 0, 1);
    HAS(1, first, 9, 1);
    HAS(2, first, 19, 1);
    HAS(3, first, 20, 1);
    HAS(4, first, 23, 1);
    HAS(5, first, 13, 1);
    HAS(6, first, 28, has_avx);
    HAS(7, wide, 5, has_avx);
    HAS(8, first, 12, has_avx);
    HAS(9, wide, 3, 1);
    HAS(10, wide, 8, 1);
    HAS(11, old, 5, 1);
    HAS(12, wide, 16, has_avx512);
    HAS(13, wide, 30, has_avx512);
    HAS(14, wide, 17, has_avx512);
    HAS(15, wide, 31, has_avx512);
    HAS(16, more, 1, has_avx512);
    HAS(17, more, 12, has_avx512);
    HAS(18, more, 11, has_avx512);
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) HAS(19, a, 4, has_avx);
#undef HAS
    return found;
#else
    return ~UINT64_C(0);
#endif
}

/* Instances */

/* Bytes of everything that an instance needs, and where it begins in them. */
typedef struct plan {
    uint64_t persistent, arena, scratch, scratch_bytes, staging, bindings, places, workers, bytes;
} plan;

static plan planned(const dlc_model *model, uint32_t threads)
{
    const dlc_head *top = head_of(model);
    plan one;
    uint64_t number, arena = 0, scratch = 0, staging = 0, ports = 1;
    memset(&one, 0, sizeof one);
    for (number = 0; number < top->function_count; number++) {
        const dlc_function_record *function = function_of(model, number);
        const dlc_port_record *port = (const dlc_port_record *)at(model, function->ports);
        uint64_t output, staged = 0, count = function->inputs + function->outputs;
        for (output = 0; output < function->outputs; output++) {
            staged += rounded(dlc_port_bytes(port + function->inputs + output, top->batch_max));
        }
        if (function->arena_bytes > arena) arena = function->arena_bytes;
        if (function->thread_bytes > scratch) scratch = function->thread_bytes;
        if (staged > staging) staging = staged;
        if (count > ports) ports = count;
    }
    one.scratch_bytes = rounded(scratch);
    one.persistent = rounded(sizeof(dlc_session));
    one.arena = one.persistent + rounded(top->persistent_bytes);
    one.scratch = one.arena + rounded(arena);
    one.staging = one.scratch + one.scratch_bytes * threads;
    one.bindings = one.staging + staging;
    one.places = one.bindings + rounded(ports * sizeof(void *));
    one.workers = one.places + rounded(top->tensor_count * sizeof(uint64_t));
#if !defined(DLC_NO_THREADS)
    one.bytes = one.workers + rounded((threads - 1) * sizeof(worker));
#else
    one.bytes = one.workers;
#endif
    return one;
}

static uint32_t thread_count(uint32_t asked)
{
#if !defined(DLC_NO_THREADS)
    long cores;
    if (asked > 0) return asked;
    cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > MOST_THREADS ? MOST_THREADS : (uint32_t)cores;
#else
    return asked > 0 ? asked : 1;
#endif
}

size_t dlc_memory_bytes(const dlc_model *model, uint32_t threads)
{
    uint64_t bytes;
    if (model == NULL || thread_count(threads) > MOST_THREADS) return 0;
    bytes = planned(model, thread_count(threads)).bytes;
    return bytes > (size_t)-1 ? 0 : (size_t)bytes;
}

/* Zeroed memory, aligned to DLC_ALIGNMENT; *owned is what to free. What is never used of it is never touched. */
static void *allocate(uint64_t bytes, void **owned)
{
    const uint64_t large = UINT64_C(1) << 21;
    size_t alignment = bytes < large ? DLC_ALIGNMENT : (size_t)large;
    unsigned char *start;
    if (bytes > (size_t)-1 / 2) return NULL;
    *owned = calloc(1, (size_t)bytes + alignment);
    if (*owned == NULL) return NULL;
    start = (unsigned char *)*owned + (alignment - (uintptr_t)*owned % alignment) % alignment;
#if defined(__linux__)
    /* Kernels stream through large blocks, and walks of page tables would show. */
    if (bytes >= large) madvise(start, (size_t)bytes, MADV_HUGEPAGE);
#endif
    return start;
}

/* The code to use: the last that this machine runs, or the one that was asked for. */
static dlc_status variant_chosen(const dlc_model *model, const char *asked, uint64_t *chosen)
{
    const dlc_variant_record *all = variants_of(model);
    uint64_t machine = machine_features(), number = head_of(model)->variant_count;
    dlc_status status = asked == NULL ? DLC_NO_INSTRUCTIONS : DLC_NO_VARIANT;
    while (number-- > 0) {
        if (asked != NULL && strcmp(asked, (const char *)at(model, all[number].name)) != 0) continue;
        *chosen = number;
        if ((all[number].features & ~machine) == 0) return DLC_OK;
        status = DLC_NO_INSTRUCTIONS;
    }
    return status;
}

static dlc_status checked_options(const dlc_model *model, const dlc_options *options)
{
    const dlc_head *top = head_of(model);
    if (top->magic != DLC_MAGIC || top->version != DLC_ABI_VERSION) return DLC_OTHER_VERSION;
    if (options != NULL) {
        if (options->version != DLC_ABI_VERSION) return DLC_OTHER_VERSION;
        if (options->graph != top->graph) return DLC_OTHER_MODEL;
        if (options->pool != NULL && options->pool->run == NULL) return DLC_NULL_POINTER;
        if (thread_count(options->threads) > MOST_THREADS) return DLC_NO_THREADS_LEFT;
    }
    return DLC_OK;
}

/* Begins an instance in this zeroed memory. */
static dlc_session *begun(unsigned char *memory, void *owned, const plan *one, const dlc_model *owner)
{
    dlc_session *session = (dlc_session *)memory;
    session->owner = session->model = owner;
    session->owned = owned;
    session->persistent = memory + one->persistent;
    session->bindings = (void **)(memory + one->bindings);
    session->places = (uint64_t *)(memory + one->places);
    session->threads = 1;
    session->living = LIVING;
    return session;
}

dlc_status dlc_create(dlc_session **result, const dlc_model *model, const dlc_options *options)
{
    static const dlc_options defaults = {DLC_ABI_VERSION, 0, 0, NULL, NULL, 0, NULL};
    dlc_session *session;
    unsigned char *memory;
    void *owned = NULL;
    uint64_t variant = 0;
    uint32_t threads;
    plan one;
    dlc_status status;
    if (result == NULL || model == NULL) return DLC_NULL_POINTER;
    *result = NULL;
    status = checked_options(model, options);
    if (status != DLC_OK) return status;
    if (options == NULL) options = &defaults;
    status = variant_chosen(model, options->cpu, &variant);
    if (status != DLC_OK) return status;
    threads = thread_count(options->threads);
    one = planned(model, threads);
    if (options->memory != NULL) {
        if ((uintptr_t)options->memory % DLC_ALIGNMENT != 0) return DLC_UNALIGNED;
        if (options->memory_bytes < one.bytes) return DLC_WRONG_SIZE;
        memory = (unsigned char *)memset(options->memory, 0, (size_t)one.bytes);
    } else {
        memory = (unsigned char *)allocate(one.bytes, &owned);
        if (memory == NULL) return DLC_NO_MEMORY;
    }
    session = begun(memory, owned, &one, model);
    session->variant = variant;
    session->arena = memory + one.arena;
    session->scratch = memory + one.scratch;
    session->scratch_bytes = one.scratch_bytes;
    session->staging = memory + one.staging;
    session->threads = threads;
    if (options->pool != NULL) session->pool = *options->pool;
#if !defined(DLC_NO_THREADS)
    session->workers = (worker *)(memory + one.workers);
#endif
    if (model->weights != NULL) {
        memcpy(session->persistent, model->weights, (size_t)head_of(model)->persistent_bytes);
        session->ready = 1;
    }
    status = start_threads(session);
    if (status != DLC_OK) {
        session->living = 0;
        free(owned);
        return status;
    }
    *result = session;
    return DLC_OK;
}

#if !defined(DLC_NO_DEVICES)

/* What an instance needs whose functions run on a device. */
static plan planned_for_device(const dlc_model *model)
{
    const dlc_head *top = head_of(model);
    plan one;
    uint64_t number, ports = 1;
    memset(&one, 0, sizeof one);
    for (number = 0; number < top->function_count; number++) {
        uint64_t count = function_of(model, number)->inputs + function_of(model, number)->outputs;
        if (count > ports) ports = count;
    }
    one.persistent = rounded(sizeof(dlc_session));
    one.bindings = one.persistent + rounded(top->persistent_bytes);
    one.places = one.bindings + rounded(ports * sizeof(void *));
    one.bytes = one.places + rounded(top->tensor_count * sizeof(uint64_t));
    return one;
}

dlc_status dlc_create_on(dlc_session **result, const dlc_model *model, const void *description,
                         const dlc_device *device)
{
    dlc_session *session;
    unsigned char *memory;
    void *owned = NULL;
    dlc_model there = {NULL, NULL, NULL, NULL};
    plan one;
    if (result == NULL || model == NULL || description == NULL || device == NULL) return DLC_NULL_POINTER;
    *result = NULL;
    there.description = description;
    if (head_of(&there)->magic != DLC_MAGIC || head_of(&there)->version != DLC_ABI_VERSION) return DLC_OTHER_VERSION;
    one = planned_for_device(&there);
    memory = (unsigned char *)allocate(one.bytes, &owned);
    if (memory == NULL) return DLC_NO_MEMORY;
    session = begun(memory, owned, &one, model);
    session->there = there;
    session->model = &session->there;
    session->device = *device;
    session->newer_here = 1;
    *result = session;
    return DLC_OK;
}

#endif

/* Begins a call: whether this is an instance of the model, and nobody else's at this moment. */
static dlc_status enter(dlc_session *session, const dlc_model *model)
{
    if (session == NULL || model == NULL) return DLC_NULL_POINTER;
    if (session->living != LIVING || session->owner != model) return DLC_OTHER_MODEL;
    if (SWAP(&session->busy, 1)) return DLC_BUSY;
    session->message[0] = '\0';
    return DLC_OK;
}

static dlc_status leave(dlc_session *session, dlc_status status)
{
    STORE(&session->busy, 0);
    return status;
}

dlc_status dlc_destroy(dlc_session *session, const dlc_model *model)
{
    dlc_status status;
    if (session == NULL) return DLC_OK;
    status = enter(session, model);
    if (status != DLC_OK) return status;
    end_threads(session);
    if (ON_DEVICE(session)) session->device.destroy(session->device.data);
    session->living = 0;
    /* In the caller's memory a handle stays what it is: destroyed. */
    free(session->owned);
    return DLC_OK;
}

/* Parameters and states */

/* Has the newest ones here. */
static dlc_status fetch(dlc_session *session)
{
    dlc_status status;
    if (!ON_DEVICE(session) || !session->newer_there) return DLC_OK;
    status = session->device.download(session->device.data, session->persistent, session->message);
    if (status == DLC_OK) session->newer_there = 0;
    return status;
}

/* Notes that they changed here. */
static void changed(dlc_session *session)
{
    session->persistent_seen = 0;
    session->newer_here = 1;
    session->newer_there = 0;
}

/* Calls */

static const char *text_at(const dlc_session *session, uint64_t place)
{
    return (const char *)at(session->model, place);
}

/* Binds inputs and outputs, or says what is wrong with them. */
static dlc_status bind(dlc_session *session, const dlc_function_record *function, size_t batch,
                       const void *const *inputs, void *const *outputs)
{
    const dlc_port_record *ports = (const dlc_port_record *)at(session->model, function->ports);
    uint64_t batch_max = head_of(session->model)->batch_max, number;
    unsigned char *staged = session->staging;
    const char *name = text_at(session, function->name);
    if (batch == 0 || batch > batch_max) {
        return fail(session, DLC_WRONG_BATCH, "%s: a batch of %llu does not fit; this library takes 1 to %llu samples",
                    name, (unsigned long long)batch, (unsigned long long)batch_max);
    }
    if ((function->inputs > 0 && inputs == NULL) || (function->outputs > 0 && outputs == NULL)) {
        return fail(session, DLC_NULL_POINTER, "%s: no table of inputs or outputs", name);
    }
    for (number = 0; number < function->inputs + function->outputs; number++) {
        const dlc_port_record *one = ports + number;
        int is_input = number < function->inputs;
        void *pointer = is_input ? (void *)inputs[number] : outputs[number - function->inputs];
        if (pointer == NULL && is_input) {
            return fail(session, DLC_NULL_POINTER, "%s: the input `%s` is NULL", name, text_at(session, one->name));
        }
        if ((uintptr_t)pointer % dlc_dtype_bytes(one->element) != 0) {
            return fail(session, DLC_UNALIGNED, "%s: `%s` is not aligned to its elements of %d bytes", name,
                        text_at(session, one->name), (int)dlc_dtype_bytes(one->element));
        }
        session->bindings[number] = pointer;
        /* A device leaves out what nobody wants; code here writes it. */
        if (is_input || ON_DEVICE(session)) continue;
        if (pointer == NULL) session->bindings[number] = staged;
        staged += rounded(dlc_port_bytes(one, batch_max));
    }
    return DLC_OK;
}

static dlc_status execute_there(dlc_session *session, size_t number, size_t batch)
{
    dlc_device *device = &session->device;
    int other = session->arena_user != number + 1;
    dlc_device_call call;
    dlc_status status;
    if (session->newer_here) {
        status = device->upload(device->data, session->persistent, session->message);
        if (status != DLC_OK) return status;
        session->newer_here = 0;
    }
    call.function = number;
    call.batch = batch;
    call.prepare = other || !session->persistent_seen;
    call.clear = other;
    call.bindings = session->bindings;
    session->arena_user = number + 1;
    session->persistent_seen = (int)function_of(session->model, number)->keeps_persistent;
    /* Even if the call fails, those here are not what it had to do with any more. */
    if (!session->persistent_seen) session->newer_there = 1;
    return device->call(device->data, &call, session->message);
}

static void execute_here(dlc_session *session, size_t number, size_t batch)
{
    const dlc_function_record *function = function_of(session->model, number);
    const uint64_t *cleared = (const uint64_t *)at(session->model, function->cleared);
    int other = session->arena_user != number + 1;
    dlc_context *context = &session->context;
    uint64_t place;
    if (other) {
        for (place = 0; place < function->cleared_count; place++) {
            memset(session->arena + cleared[2 * place], 0, (size_t)cleared[2 * place + 1]);
        }
    }
    context->arena = session->arena;
    context->persistent = session->persistent;
    context->constants = session->model->constants;
    context->bindings = session->bindings;
    context->batch = (int64_t)batch;
    context->threads = (int64_t)session->threads;
    context->barrier = barrier;
    context->barrier_data = session;
    context->prepare = other || !session->persistent_seen;
    context->scratch = session->scratch;
    context->scratch_bytes = (int64_t)session->scratch_bytes;
    session->arena_user = number + 1;
    session->persistent_seen = (int)function->keeps_persistent;
    session->entry = session->model->entries[session->variant * head_of(session->model)->function_count + number];
    run(session);
}

static dlc_status execute(dlc_session *session, size_t number, size_t batch)
{
    if (ON_DEVICE(session)) return execute_there(session, number, batch);
    execute_here(session, number, batch);
    return DLC_OK;
}

dlc_status dlc_call(dlc_session *session, const dlc_model *model, unsigned function, size_t batch,
                    const void *const *inputs, void *const *outputs)
{
    dlc_status status = enter(session, model);
    if (status != DLC_OK) return status;
    if (function >= head_of(session->model)->function_count) {
        return leave(session, fail(session, DLC_OTHER_MODEL, "the library has no function %u", function));
    }
    if (!session->ready) {
        return leave(session, fail(session, DLC_NO_WEIGHTS, "%s: there are no weights yet; load or initialize them",
                                   text_at(session, function_of(session->model, function)->name)));
    }
    status = bind(session, function_of(session->model, function), batch, inputs, outputs);
    if (status == DLC_OK) status = execute(session, function, batch);
    return leave(session, status);
}

/* Tensors */

static const dlc_tensor_record *tensor_named(const dlc_model *model, const char *name, size_t length)
{
    const dlc_head *top = head_of(model);
    const dlc_tensor_record *all = tensors_of(model);
    uint64_t low = 0, high = top->tensor_count;
    /* They are in the order of their names. */
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const char *other = (const char *)at(model, all[middle].name);
        size_t other_length = strlen(other);
        int order = memcmp(name, other, length < other_length ? length : other_length);
        if (order == 0) order = length < other_length ? -1 : length > other_length;
        if (order == 0) return all + middle;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

/* A place in a tensor, which moves in the plain order. Axes that lie in memory as they follow each other are one. */
typedef struct cursor {
    uint64_t rank, dims[DLC_RANK_MAX], strides[DLC_RANK_MAX], index[DLC_RANK_MAX], place;
} cursor;

static int cursor_begin(const dlc_model *model, const dlc_tensor_record *one, cursor *self)
{
    const uint64_t *dims = (const uint64_t *)at(model, one->dims), *strides = (const uint64_t *)at(model, one->strides);
    uint64_t axis;
    memset(self, 0, sizeof *self);
    if (one->rank > DLC_RANK_MAX) return 0;
    for (axis = 0; axis < one->rank; axis++) {
        uint64_t last = self->rank - 1;
        if (dims[axis] == 1) continue;
        if (self->rank > 0 && self->strides[last] == dims[axis] * strides[axis]) {
            self->dims[last] *= dims[axis];
            self->strides[last] = strides[axis];
        } else {
            self->dims[self->rank] = dims[axis];
            self->strides[self->rank++] = strides[axis];
        }
    }
    if (self->rank == 0) {
        self->rank = 1;
        self->dims[0] = self->strides[0] = 1;
    }
    return 1;
}

/* Elements along the innermost axis from here on, at most so many. */
static size_t cursor_row(const cursor *self, size_t most)
{
    uint64_t left = self->dims[self->rank - 1] - self->index[self->rank - 1];
    return left < most ? (size_t)left : most;
}

/* Moves on by elements of this row. */
static void cursor_move(cursor *self, size_t count)
{
    uint64_t axis = self->rank - 1;
    self->index[axis] += count;
    self->place += self->strides[axis] * count;
    while (self->index[axis] == self->dims[axis]) {
        self->place -= self->strides[axis] * self->dims[axis];
        self->index[axis] = 0;
        if (axis-- == 0) return;
        self->index[axis]++;
        self->place += self->strides[axis];
    }
}

static void copy_row(unsigned char *to, size_t to_step, const unsigned char *from, size_t from_step, size_t size,
                     size_t count)
{
    size_t number;
    if (to_step == size && from_step == size) {
        memcpy(to, from, size * count);
    } else if (size == 4) {
        for (number = 0; number < count; number++) memcpy(to + number * to_step, from + number * from_step, 4);
    } else {
        for (number = 0; number < count; number++) memcpy(to + number * to_step, from + number * from_step, size);
    }
}

/* The next elements of a tensor, in the plain order. */
static void gather(cursor *self, size_t size, const unsigned char *stored, unsigned char *plain, size_t bytes)
{
    size_t left = bytes / size;
    while (left > 0) {
        size_t row = cursor_row(self, left), step = (size_t)self->strides[self->rank - 1] * size;
        copy_row(plain, size, stored + self->place * size, step, size, row);
        cursor_move(self, row);
        plain += row * size;
        left -= row;
    }
}

/* Sets them. */
static void scatter(cursor *self, size_t size, unsigned char *stored, const unsigned char *plain, size_t bytes)
{
    size_t left = bytes / size;
    while (left > 0) {
        size_t row = cursor_row(self, left), step = (size_t)self->strides[self->rank - 1] * size;
        copy_row(stored + self->place * size, step, plain, size, size, row);
        cursor_move(self, row);
        plain += row * size;
        left -= row;
    }
}

static dlc_status found_tensor(dlc_session *session, const char *name, const void *values, size_t bytes,
                               const dlc_tensor_record **one, cursor *self)
{
    if (name == NULL || values == NULL) return fail(session, DLC_NULL_POINTER, "a name or its values are NULL");
    *one = tensor_named(session->model, name, strlen(name));
    if (*one == NULL || !cursor_begin(session->model, *one, self)) {
        return fail(session, DLC_NO_TENSOR, "there is no parameter or state `%.200s`", name);
    }
    if ((*one)->plain_bytes != bytes) {
        return fail(session, DLC_WRONG_SIZE, "`%.200s` has %llu bytes, not %llu", name,
                    (unsigned long long)(*one)->plain_bytes, (unsigned long long)bytes);
    }
    return DLC_OK;
}

dlc_status dlc_get(dlc_session *session, const dlc_model *model, const char *name, void *values, size_t bytes)
{
    const dlc_tensor_record *one;
    cursor self;
    dlc_status status = enter(session, model);
    if (status != DLC_OK) return status;
    status = found_tensor(session, name, values, bytes, &one, &self);
    if (status == DLC_OK) status = fetch(session);
    if (status == DLC_OK) {
        gather(&self, dlc_dtype_bytes(one->element), session->persistent + one->offset, (unsigned char *)values,
               bytes);
    }
    return leave(session, status);
}

static int has_wrong_bool(const dlc_tensor_record *one, const unsigned char *values, uint64_t bytes)
{
    uint64_t place;
    if (one->element != DLC_BOOL) return 0;
    for (place = 0; place < bytes; place++) {
        if (values[place] > 1) return 1;
    }
    return 0;
}

dlc_status dlc_set(dlc_session *session, const dlc_model *model, const char *name, const void *values, size_t bytes)
{
    const dlc_tensor_record *one;
    cursor self;
    dlc_status status = enter(session, model);
    if (status != DLC_OK) return status;
    status = found_tensor(session, name, values, bytes, &one, &self);
    if (status == DLC_OK && has_wrong_bool(one, (const unsigned char *)values, bytes)) {
        status = fail(session, DLC_DAMAGED, "`%.200s` gets a bool that is neither 0 nor 1", name);
    }
    if (status == DLC_OK) status = fetch(session);
    if (status == DLC_OK) {
        scatter(&self, dlc_dtype_bytes(one->element), session->persistent + one->offset,
                (const unsigned char *)values, bytes);
        changed(session);
    }
    return leave(session, status);
}

dlc_status dlc_initialize(dlc_session *session, const dlc_model *model, uint64_t seed)
{
    static const char seed_name[] = "train.seed";
    const dlc_tensor_record *one;
    size_t number;
    dlc_status status = enter(session, model);
    if (status != DLC_OK) return status;
    for (number = 0; number < head_of(session->model)->function_count; number++) {
        const dlc_function_record *function = function_of(session->model, number);
        if (strcmp(text_at(session, function->name), "initialize") != 0) continue;
        memset(session->persistent, 0, (size_t)head_of(session->model)->persistent_bytes);
        changed(session);
        one = tensor_named(session->model, seed_name, sizeof seed_name - 1);
        if (one != NULL && one->plain_bytes == sizeof seed) {
            memcpy(session->persistent + one->offset, &seed, sizeof seed);
        }
        status = bind(session, function, 1, NULL, NULL);
        if (status == DLC_OK) status = execute(session, number, 1);
        session->ready = status == DLC_OK;
        return leave(session, status);
    }
    return leave(session, fail(session, DLC_NOT_BUILT, "the library was compiled without --train: load weights"));
}

/* Weights */

/* Where a tensor of the model lies in a file. */
#define ABSENT (~UINT64_C(0))

typedef struct reading {
    const unsigned char *at, *end;
} reading;

static void blank(reading *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\r' || *text->at == '\t')) {
        text->at++;
    }
}

static int mark(reading *text, char expected)
{
    blank(text);
    if (text->at == text->end || *text->at != (unsigned char)expected) return 0;
    text->at++;
    return 1;
}

static int number_read(reading *text, uint64_t *value)
{
    blank(text);
    if (text->at == text->end || *text->at < '0' || *text->at > '9') return 0;
    *value = 0;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        uint64_t digit = (uint64_t)(*text->at++ - '0');
        if (*value > (~UINT64_C(0) - digit) / 10) return 0;
        *value = *value * 10 + digit;
    }
    return 1;
}

static int code_unit(reading *text, uint32_t *value)
{
    int digit;
    *value = 0;
    if (text->end - text->at < 4) return 0;
    for (digit = 0; digit < 4; digit++) {
        unsigned char one = *text->at++;
        uint32_t nibble;
        if (one >= '0' && one <= '9') nibble = (uint32_t)(one - '0');
        else if (one >= 'a' && one <= 'f') nibble = (uint32_t)(one - 'a' + 10);
        else if (one >= 'A' && one <= 'F') nibble = (uint32_t)(one - 'A' + 10);
        else return 0;
        *value = *value << 4 | nibble;
    }
    return 1;
}

enum { LONGEST_NAME = 1024 };

/* A string with its escapes resolved; one that is longer than a name can be gives no characters. */
typedef struct name {
    char text[LONGEST_NAME];
    size_t length;
    int too_long;
} name;

static void name_push(name *self, uint32_t byte)
{
    if (self->length == LONGEST_NAME) self->too_long = 1;
    else self->text[self->length++] = (char)byte;
}

static void name_push_character(name *self, uint32_t character)
{
    if (character < 0x80) {
        name_push(self, character);
        return;
    }
    if (character < 0x800) {
        name_push(self, 0xc0 | character >> 6);
    } else {
        if (character < 0x10000) {
            name_push(self, 0xe0 | character >> 12);
        } else {
            name_push(self, 0xf0 | character >> 18);
            name_push(self, 0x80 | (character >> 12 & 0x3f));
        }
        name_push(self, 0x80 | (character >> 6 & 0x3f));
    }
    name_push(self, 0x80 | (character & 0x3f));
}

static int escape(reading *text, name *self)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *place;
    uint32_t first, second;
    unsigned char one;
    if (text->at == text->end) return 0;
    one = *text->at++;
    if (one != 'u') {
        place = one == '\0' ? NULL : strchr(from, one);
        if (place == NULL) return 0;
        name_push(self, (unsigned char)to[place - from]);
        return 1;
    }
    if (!code_unit(text, &first)) return 0;
    if (first >= 0xd800 && first < 0xdc00) {
        if (text->end - text->at < 2 || text->at[0] != '\\' || text->at[1] != 'u') return 0;
        text->at += 2;
        if (!code_unit(text, &second) || second < 0xdc00 || second > 0xdfff) return 0;
        first = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    } else if (first >= 0xdc00 && first < 0xe000) {
        return 0;
    }
    name_push_character(self, first);
    return 1;
}

static int string(reading *text, name *self)
{
    self->length = 0;
    self->too_long = 0;
    if (!mark(text, '"')) return 0;
    while (text->at < text->end) {
        unsigned char one = *text->at++;
        if (one == '"') {
            if (self->too_long) self->length = 0;
            return 1;
        }
        if (one < 0x20) return 0;
        if (one != '\\') name_push(self, one);
        else if (!escape(text, self)) return 0;
    }
    return 0;
}

static int is_name(const name *self, const char *expected)
{
    return self->length == strlen(expected) && memcmp(self->text, expected, self->length) == 0;
}

/* What a file's header says about one tensor. */
typedef struct entry {
    uint64_t rank, dims[DLC_RANK_MAX], begin, end;
    int element;
} entry;

static int entry_dims(reading *text, entry *self)
{
    if (!mark(text, '[')) return 0;
    self->rank = 0;
    if (mark(text, ']')) return 1;
    do {
        if (self->rank == DLC_RANK_MAX || !number_read(text, &self->dims[self->rank++])) return 0;
    } while (mark(text, ','));
    return mark(text, ']');
}

static int entry_value(reading *text, name *key, entry *self)
{
    if (is_name(key, "dtype")) {
        if (!string(text, key)) return 0;
        self->element = DLC_DTYPES;
        while (self->element-- > 0) {
            if (is_name(key, safetensors_names[self->element])) return 1;
        }
        /* A type that no model of ours has. */
        return 1;
    }
    if (is_name(key, "shape")) return entry_dims(text, self);
    if (is_name(key, "data_offsets")) {
        return mark(text, '[') && number_read(text, &self->begin) && mark(text, ',') && number_read(text, &self->end) &&
               mark(text, ']');
    }
    return 0;
}

static int entry_read(reading *text, name *key, entry *self)
{
    int keys = 0;
    memset(self, 0, sizeof *self);
    self->element = -1;
    if (!mark(text, '{')) return 0;
    do {
        if (!string(text, key) || !mark(text, ':') || !entry_value(text, key, self)) return 0;
        keys++;
    } while (mark(text, ','));
    return mark(text, '}') && keys == 3;
}

static dlc_status damaged(dlc_session *session, const char *reason)
{
    return fail(session, DLC_DAMAGED, "this is not a readable safetensors file: %s", reason);
}

/* Which model a file is of, as far as it says that. */
typedef struct origin {
    /* Room for one character more than a hash has, so that none that is longer looks like it. */
    char graph[18], model[65];
} origin;

/* As much of a name as has room. */
static void name_kept(const name *self, char *text, size_t room)
{
    size_t length = self->length < room ? self->length : room - 1;
    memcpy(text, self->text, length);
    text[length] = '\0';
}

static dlc_status metadata_read(dlc_session *session, reading *text, name *key, origin *found)
{
    if (!mark(text, '{')) return damaged(session, "its metadata is no table");
    if (mark(text, '}')) return DLC_OK;
    do {
        char *kept;
        size_t room;
        if (!string(text, key) || !mark(text, ':')) return damaged(session, "its metadata is no table");
        kept = is_name(key, "graph") ? found->graph : is_name(key, "model") ? found->model : NULL;
        room = kept == found->graph ? sizeof found->graph : sizeof found->model;
        if (!string(text, key)) return damaged(session, "its metadata holds what is no text");
        if (kept != NULL) name_kept(key, kept, room);
    } while (mark(text, ','));
    return mark(text, '}') ? DLC_OK : damaged(session, "its metadata does not end");
}

/* That a file that names a graph names that of the model. */
static dlc_status origin_checked(dlc_session *session, const origin *found)
{
    const dlc_head *top = head_of(session->model);
    char own[17];
    snprintf(own, sizeof own, "%016llx", (unsigned long long)top->graph);
    if (found->graph[0] == '\0' || strcmp(found->graph, own) == 0) return DLC_OK;
    return fail(session, DLC_OTHER_WEIGHTS, "the weights are those of %s%s (graph %s), the library is %s (graph %s)",
                found->model[0] == '\0' ? "another model" : "the model ", found->model, found->graph,
                text_at(session, top->model), own);
}

/* Whether a parameter is what the name begins with, down to a dot: then it is a slot of the optimiser. */
static int is_of_parameter(const dlc_model *model, const char *name)
{
    const char *dot;
    for (dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        const dlc_tensor_record *whole = tensor_named(model, name, (size_t)(dot - name));
        if (whole != NULL && whole->role != ROLE_STATE) return 1;
    }
    return 0;
}

/* Whether a tensor is the network's own, rather than of a run that trained it. */
static int is_own(dlc_session *session, const dlc_tensor_record *one)
{
    const char *name = text_at(session, one->name);
    if (one->role != ROLE_STATE) return 1;
    return strncmp(name, "train.", 6) != 0 && !is_of_parameter(session->model, name);
}

/* Notes where one tensor lies, if the model has it. */
static dlc_status tensor_noted(dlc_session *session, const name *key, const entry *found, uint64_t data_bytes,
                               dlc_policy policy)
{
    const dlc_tensor_record *one = tensor_named(session->model, key->text, key->length);
    const uint64_t *dims;
    uint64_t axis;
    int fits;
    if (found->begin > found->end || found->end > data_bytes) {
        return damaged(session, "a tensor lies behind its end");
    }
    if (one == NULL || key->length == 0) return DLC_OK;
    if (policy == DLC_LOAD_MATCHING && !is_own(session, one)) return DLC_OK;
    dims = (const uint64_t *)at(session->model, one->dims);
    fits = found->element == (int)one->element && found->rank == one->rank;
    for (axis = 0; fits && axis < one->rank; axis++) fits = found->dims[axis] == dims[axis];
    if (!fits) {
        if (policy == DLC_LOAD_MATCHING) return DLC_OK;
        return fail(session, DLC_OTHER_WEIGHTS, "`%.200s` has another type or shape in the file than in the model",
                    text_at(session, one->name));
    }
    if (found->end - found->begin != one->plain_bytes) return damaged(session, "a tensor has a wrong number of bytes");
    if (session->places[one - tensors_of(session->model)] != ABSENT) return damaged(session, "a name comes twice");
    session->places[one - tensors_of(session->model)] = found->begin;
    return DLC_OK;
}

static dlc_status header_read(dlc_session *session, reading *text, uint64_t data_bytes, dlc_policy policy)
{
    name key;
    entry found;
    origin whose;
    dlc_status status;
    memset(&whose, 0, sizeof whose);
    if (!mark(text, '{')) return damaged(session, "its header is no table");
    if (mark(text, '}')) return DLC_OK;
    do {
        if (!string(text, &key) || !mark(text, ':')) return damaged(session, "its header is no table");
        if (is_name(&key, "__metadata__")) {
            status = metadata_read(session, text, &key, &whose);
            if (status == DLC_OK && policy != DLC_LOAD_MATCHING) status = origin_checked(session, &whose);
        } else {
            name inner;
            if (!entry_read(text, &inner, &found)) return damaged(session, "its header describes no tensor");
            status = tensor_noted(session, &key, &found, data_bytes, policy);
        }
        if (status != DLC_OK) return status;
    } while (mark(text, ','));
    if (!mark(text, '}')) return damaged(session, "its header does not end");
    blank(text);
    return text->at == text->end ? DLC_OK : damaged(session, "something follows its header");
}

/* An average of weights that is not there is the weights themselves. */
static void averages_found(dlc_session *session)
{
    static const char suffix[] = ".average";
    const size_t length = sizeof suffix - 1;
    const dlc_tensor_record *all = tensors_of(session->model);
    uint64_t number;
    for (number = 0; number < head_of(session->model)->tensor_count; number++) {
        const char *path = text_at(session, all[number].name);
        size_t whole = strlen(path);
        const dlc_tensor_record *plain;
        if (session->places[number] != ABSENT || whole <= length) continue;
        if (memcmp(path + whole - length, suffix, length) != 0) continue;
        plain = tensor_named(session->model, path, whole - length);
        if (plain != NULL && plain->plain_bytes == all[number].plain_bytes && plain->element == all[number].element) {
            session->places[number] = session->places[plain - all];
        }
    }
}

static dlc_status all_found(dlc_session *session, const unsigned char *data, dlc_policy policy)
{
    const dlc_tensor_record *all = tensors_of(session->model);
    uint64_t number, missing = 0, first = 0, parameters = 0;
    for (number = 0; number < head_of(session->model)->tensor_count; number++) {
        const dlc_tensor_record *one = all + number;
        uint64_t place = session->places[number];
        if (place == ABSENT) {
            if (policy == DLC_LOAD_MATCHING) continue;
            if (policy == DLC_LOAD_PARAMETERS && one->role == ROLE_STATE) continue;
            if (missing++ == 0) first = number;
        } else {
            if (has_wrong_bool(one, data + place, one->plain_bytes)) {
                return damaged(session, "it holds a bool that is neither 0 nor 1");
            }
            parameters += one->role != ROLE_STATE;
        }
    }
    if (policy == DLC_LOAD_MATCHING && parameters == 0) {
        return fail(session, DLC_OTHER_WEIGHTS, "no parameter of the model is in the file");
    }
    if (missing == 0) return DLC_OK;
    if (missing == 1) {
        return fail(session, DLC_OTHER_WEIGHTS, "`%.200s` is not in the file", text_at(session, all[first].name));
    }
    return fail(session, DLC_OTHER_WEIGHTS, "`%.160s` and %llu more of the model's tensors are not in the file",
                text_at(session, all[first].name), (unsigned long long)(missing - 1));
}

static dlc_status load_bytes(dlc_session *session, const unsigned char *bytes, size_t length, dlc_policy policy)
{
    const dlc_tensor_record *all = tensors_of(session->model);
    uint64_t header_bytes = 0, number;
    reading text;
    dlc_status status;
    int byte;
    cursor self;
    if (policy == DLC_LOAD_MATCHING && !session->ready) {
        return fail(session, DLC_NO_WEIGHTS, "what the file lacks has no values yet: initialize or load all first");
    }
    if (length < 8) return damaged(session, "it is too short");
    for (byte = 7; byte >= 0; byte--) header_bytes = header_bytes << 8 | bytes[byte];
    if (header_bytes > length - 8) return damaged(session, "its header is longer than the file");
    text.at = bytes + 8;
    text.end = text.at + header_bytes;
    for (number = 0; number < head_of(session->model)->tensor_count; number++) session->places[number] = ABSENT;
    status = header_read(session, &text, length - 8 - header_bytes, policy);
    if (status != DLC_OK) return status;
    averages_found(session);
    status = all_found(session, text.end, policy);
    if (status == DLC_OK) status = fetch(session);
    if (status != DLC_OK) return status;
    for (number = 0; number < head_of(session->model)->tensor_count; number++) {
        const dlc_tensor_record *one = all + number;
        if (session->places[number] == ABSENT || !cursor_begin(session->model, one, &self)) continue;
        scatter(&self, dlc_dtype_bytes(one->element), session->persistent + one->offset,
                text.end + session->places[number], (size_t)one->plain_bytes);
    }
    changed(session);
    session->ready = 1;
    return DLC_OK;
}

dlc_status dlc_load_bytes(dlc_session *session, const dlc_model *model, const void *bytes, size_t length,
                          dlc_policy policy)
{
    dlc_status status = enter(session, model);
    if (status != DLC_OK) return status;
    if (bytes == NULL) return leave(session, fail(session, DLC_NULL_POINTER, "the bytes to load are NULL"));
    return leave(session, load_bytes(session, (const unsigned char *)bytes, length, policy));
}

#if !defined(DLC_NO_FILES)

/* What the system said last of a file. */
static dlc_status file_fault(dlc_session *session, const char *path, const char *verb)
{
    const char *cause = errno == 0 ? "the system does not say why" : strerror(errno);
    return fail(session, DLC_FILE, "%.200s cannot be %s: %.80s", path, verb, cause);
}

/* The same where a file can only be read. */
static dlc_status file_read(dlc_session *session, FILE *file, dlc_policy policy)
{
    unsigned char *bytes = NULL;
    size_t length = 0, capacity = 0;
    dlc_status status;
    for (;;) {
        size_t got;
        if (length == capacity) {
            size_t more = capacity == 0 ? (size_t)1 << 16 : capacity * 2;
            unsigned char *grown = more < capacity ? NULL : (unsigned char *)realloc(bytes, more);
            if (grown == NULL) {
                free(bytes);
                return fail(session, DLC_NO_MEMORY, "there is no memory for the file");
            }
            bytes = grown;
            capacity = more;
        }
        got = fread(bytes + length, 1, capacity - length, file);
        length += got;
        if (got == 0) break;
    }
    if (ferror(file)) status = fail(session, DLC_FILE, "the file cannot be read: %.80s", strerror(errno));
    else status = load_bytes(session, bytes, length, policy);
    free(bytes);
    return status;
}

/* The weights of an open file: where the system shows it in memory, each element is copied once, to its place. */
static dlc_status file_loaded(dlc_session *session, FILE *file, dlc_policy policy)
{
#if defined(DLC_POSIX_FILES)
    struct stat about;
    if (fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 &&
        (uint64_t)about.st_size <= (size_t)-1) {
        size_t length = (size_t)about.st_size;
        void *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fileno(file), 0);
        if (bytes != MAP_FAILED) {
            dlc_status status = load_bytes(session, (const unsigned char *)bytes, length, policy);
            munmap(bytes, length);
            return status;
        }
    }
#endif
    return file_read(session, file, policy);
}

dlc_status dlc_load(dlc_session *session, const dlc_model *model, const char *path, dlc_policy policy)
{
    FILE *file;
    dlc_status status = enter(session, model);
    if (status != DLC_OK) return status;
    if (path == NULL) return leave(session, fail(session, DLC_NULL_POINTER, "the path is NULL"));
    file = fopen(path, "rb");
    if (file == NULL) return leave(session, file_fault(session, path, "opened"));
    status = file_loaded(session, file, policy);
    fclose(file);
    return leave(session, status);
}

/* The elements of one tensor; 0 if the file does not take them. */
static int tensor_written(dlc_session *session, const dlc_tensor_record *one, FILE *file)
{
    unsigned char piece[4096];
    size_t size = dlc_dtype_bytes(one->element), left = (size_t)one->plain_bytes;
    cursor self;
    if (!cursor_begin(session->model, one, &self)) return 0;
    while (left > 0) {
        size_t now = left < sizeof piece ? left : sizeof piece;
        gather(&self, size, session->persistent + one->offset, piece, now);
        if (fwrite(piece, 1, now, file) != now) return 0;
        left -= now;
    }
    return 1;
}

/* One behind the other, so that the file may be a pipe. */
static int file_written(dlc_session *session, FILE *file)
{
    const dlc_head *top = head_of(session->model);
    const dlc_tensor_record *all = tensors_of(session->model);
    uint64_t number, done = 0, before;
    if (fwrite(at(session->model, top->header), 1, (size_t)top->header_bytes, file) != top->header_bytes) return 0;
    do {
        before = done;
        for (number = 0; number < top->tensor_count; number++) {
            if (all[number].place != done || all[number].plain_bytes == 0) continue;
            if (!tensor_written(session, all + number, file)) return 0;
            done += all[number].plain_bytes;
        }
    } while (done != before);
    return fflush(file) == 0;
}

/* Whether the path is no file that another one may take the place of: a device, a pipe. */
static int is_special(const char *path)
{
#if defined(DLC_POSIX_FILES)
    struct stat about;
    return stat(path, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode);
#else
    (void)path;
    return 0;
#endif
}

static int written_in_place(dlc_session *session, const char *path)
{
    FILE *file = fopen(path, "wb");
    int done, cause;
    if (file == NULL) return 0;
    done = file_written(session, file);
    cause = errno;
    if (fclose(file) == 0) {
        errno = cause;
        return done;
    }
    return 0;
}

/* Written beside its place and renamed, so that the place holds the old or the new file, never a part. */
static int written_and_renamed(dlc_session *session, const char *path, const char *partial)
{
    FILE *file = fopen(partial, "wb");
    int done, cause;
    if (file == NULL) return 0;
    done = file_written(session, file);
#if defined(DLC_POSIX_FILES)
    if (done && fsync(fileno(file)) != 0) done = 0;
#endif
    cause = errno;
    if (fclose(file) != 0 && done) done = 0, cause = errno;
    if (done && rename(partial, path) == 0) return 1;
    if (done) cause = errno;
    remove(partial);
    errno = cause;
    return 0;
}

dlc_status dlc_save(dlc_session *session, const dlc_model *model, const char *path)
{
    static const char suffix[] = ".partial";
    char *partial;
    dlc_status status = enter(session, model);
    if (status != DLC_OK) return status;
    if (path == NULL) return leave(session, fail(session, DLC_NULL_POINTER, "the path is NULL"));
    if (!session->ready) return leave(session, fail(session, DLC_NO_WEIGHTS, "there are no weights to save"));
    status = fetch(session);
    if (status != DLC_OK) return leave(session, status);
    errno = 0;
    if (is_special(path)) {
        if (!written_in_place(session, path)) status = file_fault(session, path, "written");
        return leave(session, status);
    }
    partial = (char *)malloc(strlen(path) + sizeof suffix);
    if (partial == NULL) return leave(session, fail(session, DLC_NO_MEMORY, "there is no memory for a file's name"));
    strcat(strcpy(partial, path), suffix);
    if (!written_and_renamed(session, path, partial)) status = file_fault(session, path, "written");
    free(partial);
    return leave(session, status);
}

#else

dlc_status dlc_load(dlc_session *session, const dlc_model *model, const char *path, dlc_policy policy)
{
    (void)session, (void)model, (void)path, (void)policy;
    return DLC_NOT_BUILT;
}

dlc_status dlc_save(dlc_session *session, const dlc_model *model, const char *path)
{
    (void)session, (void)model, (void)path;
    return DLC_NOT_BUILT;
}

#endif

/* Texts */

const char *dlc_cpu(const dlc_session *session, const dlc_model *model)
{
    if (session == NULL || session->living != LIVING || session->owner != model) return "";
    return text_at(session, variants_of(session->model)[session->variant].name);
}

const char *dlc_message(const dlc_session *session, const dlc_model *model)
{
    if (session == NULL || session->living != LIVING || session->owner != model) return "";
    return session->message;
}

const char *dlc_status_text(int status)
{
    static const char *const texts[] = {
        "done",
        "a pointer is NULL that must not be",
        "the header and the library were made by different versions of dlc",
        "the handle or the header belongs to another model",
        "this machine lacks instructions that the library was compiled for",
        "the system refused memory",
        "the system refused a thread, or there were too many",
        "the batch is 0 or greater than the library was compiled for",
        "another thread is using this handle",
        "a pointer is not aligned to its elements",
        "there are no weights yet: load a file or initialize by seed",
        "the model has no parameter or state of that name",
        "the number of bytes is wrong",
        "the file cannot be read or written",
        "the file is damaged, or of another kind",
        "the file holds the weights of another model",
        "the library was built without this",
        "the library has no code of that name",
        "this machine has no such GPU, or no driver for it",
        "the GPU or its driver failed",
    };
    if (status < 0 || (size_t)status >= sizeof texts / sizeof *texts) return "no status of dlc";
    return texts[status];
}
