/* Reads and checks code for devices, and says what a call of it launches. Nothing of a file is used before it is known
 * to lie in the file, and no size is larger than MOST_BYTES, so that sums of a few do not overflow.
 */
#include "dlc_image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `DLCDEVIC` */
#define IMAGE_MAGIC UINT64_C(0x4349564544434c44)
#define MOST_BYTES (UINT64_C(1) << 46)
#define HASH_START UINT64_C(0xcbf29ce484222325)

enum {
    LAUNCH = 0, REPEAT = 1,
    /* Repetitions around a launch, threads of a block, and bytes of its shared memory, at most. */
    DEEPEST = 64, MOST_THREADS = 1024, MOST_SHARED = 1 << 20,
    /* What 32,764 bytes of parameters have room for, beside the batch. */
    MOST_OPERANDS = 4094,
    /* Bytes in front of those that the checksum is of. */
    UNCHECKED = 32
};
/* Blocks along the first direction of a grid, at most. */
#define MOST_BLOCKS UINT64_C(0x7fffffff)

static dlc_status fail(char *message, dlc_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, DLC_MESSAGE_BYTES, format, arguments);
    va_end(arguments);
    return status;
}

/* Numbers, checked */

/* Multiplies, unless more than MOST_BYTES would come out. */
static int multiply(uint64_t *product, uint64_t factor)
{
    if (factor != 0 && *product > MOST_BYTES / factor) return 0;
    *product *= factor;
    return 1;
}

static int add(uint64_t *sum, uint64_t more)
{
    if (*sum > MOST_BYTES || more > MOST_BYTES - *sum) return 0;
    *sum += more;
    return 1;
}

/* Bytes of the file in which records are named by their place. */
typedef struct span {
    const unsigned char *start;
    uint64_t bytes;
} span;

/* Records at a place, or NULL if they do not lie there. */
static const void *table(span in, uint64_t place, uint64_t count, size_t record_bytes)
{
    if (place % sizeof(uint64_t) != 0 || place > in.bytes || count > (in.bytes - place) / record_bytes) return NULL;
    return in.start + place;
}

static int has_text(span in, uint64_t place)
{
    return place < in.bytes && memchr(in.start + place, '\0', (size_t)(in.bytes - place)) != NULL;
}

static int has_bytes(span in, uint64_t place, uint64_t bytes)
{
    return place <= in.bytes && bytes <= in.bytes - place;
}

/* Fowler, Noll and Vo's hash (FNV-1a), a word at a time. */
static void hash(uint64_t *sum, uint64_t word)
{
    *sum = (*sum ^ word) * UINT64_C(0x100000001b3);
}

static uint64_t checksum(span in)
{
    uint64_t sum = HASH_START, place, word;
    for (place = 0; place + sizeof word <= in.bytes; place += sizeof word) {
        memcpy(&word, in.start + place, sizeof word);
        hash(&sum, word);
    }
    for (; place < in.bytes; place++) hash(&sum, in.start[place]);
    return sum;
}

/* The description */

static int port_sound(span in, const dlc_port_record *one, uint64_t batch_max)
{
    const uint64_t *extents = (const uint64_t *)table(in, one->extents, one->rank, 2 * sizeof(uint64_t));
    uint64_t axis, bytes, power = 0;
    if (extents == NULL || !has_text(in, one->name) || one->element >= DLC_DTYPES) return 0;
    bytes = dlc_dtype_bytes(one->element);
    for (axis = 0; axis < one->rank; axis++) {
        if (!multiply(&bytes, extents[2 * axis])) return 0;
        power += extents[2 * axis + 1] != 0;
    }
    if (bytes != one->unit || power != one->power) return 0;
    for (axis = 0; axis < power; axis++) {
        if (!multiply(&bytes, batch_max)) return 0;
    }
    return 1;
}

static int function_sound(span in, const dlc_function_record *one, uint64_t batch_max)
{
    const uint64_t *cleared = (const uint64_t *)table(in, one->cleared, one->cleared_count, 2 * sizeof(uint64_t));
    const dlc_port_record *ports;
    uint64_t number;
    if (cleared == NULL || !has_text(in, one->name) || one->arena_bytes > MOST_BYTES) return 0;
    for (number = 0; number < one->cleared_count; number++) {
        uint64_t end = cleared[2 * number];
        if (!add(&end, cleared[2 * number + 1]) || end > one->arena_bytes) return 0;
    }
    if (one->inputs > in.bytes || one->outputs > in.bytes) return 0;
    ports = (const dlc_port_record *)table(in, one->ports, one->inputs + one->outputs, sizeof *ports);
    if (ports == NULL) return 0;
    for (number = 0; number < one->inputs + one->outputs; number++) {
        if (!port_sound(in, ports + number, batch_max)) return 0;
    }
    return 1;
}

static int tensor_sound(span in, const dlc_tensor_record *one, uint64_t persistent_bytes)
{
    const uint64_t *dims = (const uint64_t *)table(in, one->dims, one->rank, sizeof(uint64_t));
    const uint64_t *strides = (const uint64_t *)table(in, one->strides, one->rank, sizeof(uint64_t));
    uint64_t axis, plain, end = 1;
    if (dims == NULL || strides == NULL || !has_text(in, one->name)) return 0;
    if (one->rank > DLC_RANK_MAX || one->role > 1 || one->element >= DLC_DTYPES) return 0;
    plain = dlc_dtype_bytes(one->element);
    for (axis = 0; axis < one->rank; axis++) {
        uint64_t last = dims[axis] == 0 ? 0 : dims[axis] - 1;
        if (!multiply(&plain, dims[axis]) || !multiply(&last, strides[axis]) || !add(&end, last)) return 0;
    }
    /* The last element ends where the block does, or before. */
    if (plain != one->plain_bytes || !multiply(&end, dlc_dtype_bytes(one->element))) return 0;
    return plain == 0 || (add(&end, one->offset) && end <= persistent_bytes);
}

static int description_sound(span in)
{
    const dlc_head *head = (const dlc_head *)table(in, 0, 1, sizeof *head);
    const dlc_tensor_record *tensors;
    const dlc_function_record *functions;
    const dlc_variant_record *variants;
    uint64_t number;
    if (head == NULL || head->magic != DLC_MAGIC || head->version != DLC_ABI_VERSION) return 0;
    if (head->bytes != in.bytes || head->persistent_bytes > MOST_BYTES || head->batch_max > MOST_BYTES) return 0;
    if (!has_text(in, head->model) || !has_text(in, head->compiler)) return 0;
    if (!has_bytes(in, head->header, head->header_bytes)) return 0;
    tensors = (const dlc_tensor_record *)table(in, head->tensors, head->tensor_count, sizeof *tensors);
    functions = (const dlc_function_record *)table(in, head->functions, head->function_count, sizeof *functions);
    variants = (const dlc_variant_record *)table(in, head->variants, head->variant_count, sizeof *variants);
    if (tensors == NULL || functions == NULL || variants == NULL || head->variant_count == 0) return 0;
    for (number = 0; number < head->tensor_count; number++) {
        if (!tensor_sound(in, tensors + number, head->persistent_bytes)) return 0;
    }
    for (number = 0; number < head->function_count; number++) {
        if (!function_sound(in, functions + number, head->batch_max)) return 0;
    }
    for (number = 0; number < head->variant_count; number++) {
        if (!has_text(in, variants[number].name)) return 0;
    }
    return 1;
}

/* Kernels */

/* Work, the product of the extents, in pieces of one size. */
typedef struct tiles {
    uint64_t extents, extent_count, per_block;
} tiles;

/* Multiplies by the blocks that these tiles make; gives 0 where they are more than MOST_BYTES. */
static int tile_blocks(const dlc_image *image, const tiles *one, uint64_t batch, uint64_t *blocks)
{
    const uint64_t *extents = (const uint64_t *)dlc_image_at(image, one->extents);
    uint64_t number, work = 1;
    /* A factor of none leaves no work, however large the others are. */
    for (number = 0; number < one->extent_count; number++) {
        if (extents[2 * number] == 0) work = 0;
    }
    for (number = 0; number < one->extent_count; number++) {
        if (!multiply(&work, extents[2 * number])) return 0;
        if (extents[2 * number + 1] != 0 && !multiply(&work, batch)) return 0;
    }
    return multiply(blocks, work / one->per_block + (work % one->per_block != 0));
}

/* Gives 0 where they are more than a launch can have. */
static int all_blocks(const dlc_image *image, const dlc_image_kernel *kernel, uint64_t batch, uint64_t *blocks)
{
    const tiles *all = (const tiles *)dlc_image_at(image, kernel->tiles);
    uint64_t number;
    *blocks = 1;
    for (number = 0; number < kernel->tile_count; number++) {
        if (!tile_blocks(image, all + number, batch, blocks)) return 0;
    }
    return *blocks <= MOST_BLOCKS;
}

uint32_t dlc_image_blocks(const dlc_image *image, const dlc_image_kernel *kernel, uint64_t batch)
{
    uint64_t blocks;
    /* There are not more than at the greatest batch, which was checked. */
    return all_blocks(image, kernel, batch, &blocks) ? (uint32_t)blocks : 0;
}

static int kernel_sound(const dlc_image *image, span in, const dlc_image_kernel *one)
{
    const tiles *all = (const tiles *)table(in, one->tiles, one->tile_count, sizeof *all);
    uint64_t number, blocks;
    if (all == NULL || !has_text(in, one->name)) return 0;
    if (one->threads == 0 || one->threads > MOST_THREADS || one->shared_bytes > MOST_SHARED) return 0;
    if (one->operands > MOST_OPERANDS) return 0;
    for (number = 0; number < one->tile_count; number++) {
        if (table(in, all[number].extents, all[number].extent_count, 2 * sizeof(uint64_t)) == NULL) return 0;
        if (all[number].per_block == 0) return 0;
    }
    return all_blocks(image, one, image->description->batch_max, &blocks);
}

/* Launches */

/* How an operand moves: step * (round modulo period) bytes. */
typedef struct stride {
    uint64_t step, period;
} stride;

/* What steps are checked within. */
typedef struct within {
    const dlc_image *image;
    span in;
    const dlc_function_record *function;
    /* How often the repetitions around are done. */
    uint64_t times[DEEPEST];
} within;

/* Bytes of a block of memory at the greatest batch; gives 0 for a block that is none. */
static int block_bytes(const within *self, const dlc_image_operand *one, uint64_t *bytes)
{
    const dlc_head *description = self->image->description;
    const dlc_port_record *ports;
    switch (one->memory) {
    case DLC_IN_ARENA: *bytes = self->function->arena_bytes; return 1;
    case DLC_IN_PERSISTENT: *bytes = description->persistent_bytes; return 1;
    case DLC_IN_CONSTANTS: *bytes = description->constant_bytes; return 1;
    case DLC_IN_BINDING:
        if (one->number >= self->function->inputs + self->function->outputs) return 0;
        ports = (const dlc_port_record *)dlc_image_described(self->image, self->function->ports);
        *bytes = dlc_port_bytes(ports + one->number, description->batch_max);
        return 1;
    default: return 0;
    }
}

/* Whether an operand begins in its block, or right behind an empty one, in every round. */
static int operand_sound(const within *self, const dlc_image_operand *one, unsigned depth)
{
    const stride *strides = (const stride *)table(self->in, one->strides, one->stride_count, sizeof *strides);
    uint64_t length = 0, number, down = 0, high = one->byte;
    if (strides == NULL || (one->stride_count != 0 && one->stride_count != depth)) return 0;
    if (!block_bytes(self, one, &length)) return 0;
    for (number = 0; number < one->stride_count; number++) {
        uint64_t step = strides[number].step, period = strides[number].period;
        int is_back = (int64_t)step < 0;
        uint64_t moved = is_back ? ~step + 1 : step;
        if (period == 0) return 0;
        if (!multiply(&moved, (period < self->times[number] ? period : self->times[number]) - 1)) return 0;
        if (!add(is_back ? &down : &high, moved)) return 0;
    }
    return down <= one->byte && high <= length;
}

static int launch_sound(const within *self, const dlc_image_step *step, unsigned depth)
{
    const dlc_image_operand *operands;
    uint64_t number;
    if (step->number >= self->image->head->kernel_count) return 0;
    if (self->image->kernels[step->number].operands != step->count) return 0;
    operands = (const dlc_image_operand *)table(self->in, step->place, step->count, sizeof *operands);
    if (operands == NULL) return 0;
    for (number = 0; number < step->count; number++) {
        if (!operand_sound(self, operands + number, depth)) return 0;
    }
    return 1;
}

static int steps_sound(within *self, const dlc_image_step *step, uint64_t count, unsigned depth)
{
    const dlc_image_step *end = step + count;
    for (; step < end; step++) {
        if (step->kind == LAUNCH) {
            if (!launch_sound(self, step, depth)) return 0;
            continue;
        }
        if (step->kind != REPEAT || depth == DEEPEST || step->number == 0) return 0;
        if (step->place > (uint64_t)(end - step - 1)) return 0;
        self->times[depth] = step->number;
        if (!steps_sound(self, step + 1, step->place, depth + 1)) return 0;
        step += step->place;
    }
    return 1;
}

static int launches_sound(const dlc_image *image, span in, size_t function)
{
    const dlc_image_function *one = image->functions + function;
    const dlc_image_step *prologue, *steps;
    within self;
    memset(&self, 0, sizeof self);
    self.image = image;
    self.in = in;
    self.function = (const dlc_function_record *)dlc_image_described(image, image->description->functions) + function;
    prologue = (const dlc_image_step *)table(in, one->prologue, one->prologue_count, sizeof *prologue);
    steps = (const dlc_image_step *)table(in, one->steps, one->step_count, sizeof *steps);
    if (prologue == NULL || steps == NULL) return 0;
    return steps_sound(&self, prologue, one->prologue_count, 0) && steps_sound(&self, steps, one->step_count, 0);
}

uint64_t dlc_image_start(const dlc_image *image, const dlc_image_operand *operand, const uint64_t *rounds)
{
    const stride *strides = (const stride *)dlc_image_at(image, operand->strides);
    uint64_t number, byte = operand->byte;
    for (number = 0; number < operand->stride_count; number++) {
        byte += strides[number].step * (rounds[number] % strides[number].period);
    }
    return byte;
}

static uint64_t counted(const dlc_image_step *step, uint64_t count)
{
    const dlc_image_step *end = step + count;
    uint64_t all = 0;
    for (; step < end; step++) {
        uint64_t more = 1;
        if (step->kind == REPEAT) {
            more = counted(step + 1, step->place);
            more = more != 0 && step->number > ~UINT64_C(0) / more ? ~UINT64_C(0) : more * step->number;
            step += step->place;
        }
        all = more > ~UINT64_C(0) - all ? ~UINT64_C(0) : all + more;
    }
    return all;
}

uint64_t dlc_image_launches(const dlc_image *image, size_t function)
{
    const dlc_image_function *one = image->functions + function;
    const dlc_image_step *prologue = (const dlc_image_step *)dlc_image_at(image, one->prologue);
    uint64_t first = counted(prologue, one->prologue_count);
    uint64_t then = counted((const dlc_image_step *)dlc_image_at(image, one->steps), one->step_count);
    return then > ~UINT64_C(0) - first ? ~UINT64_C(0) : first + then;
}

static int walk(const dlc_image_step *step, uint64_t count, uint64_t *rounds, unsigned depth, dlc_image_each each,
                void *data)
{
    const dlc_image_step *end = step + count;
    for (; step < end; step++) {
        if (step->kind == LAUNCH) {
            if (!each(data, step, rounds)) return 0;
            continue;
        }
        for (rounds[depth] = 0; rounds[depth] < step->number; rounds[depth]++) {
            if (!walk(step + 1, step->place, rounds, depth + 1, each, data)) return 0;
        }
        step += step->place;
    }
    return 1;
}

int dlc_image_walk(const dlc_image *image, size_t function, int prepare, dlc_image_each each, void *data)
{
    const dlc_image_function *one = image->functions + function;
    const dlc_image_step *prologue = (const dlc_image_step *)dlc_image_at(image, one->prologue);
    const dlc_image_step *steps = (const dlc_image_step *)dlc_image_at(image, one->steps);
    uint64_t rounds[DEEPEST];
    if (prepare && !walk(prologue, one->prologue_count, rounds, 0, each, data)) return 0;
    return walk(steps, one->step_count, rounds, 0, each, data);
}

/* Files */

const void *dlc_image_at(const dlc_image *image, uint64_t place)
{
    return image->bytes + place;
}

const void *dlc_image_described(const dlc_image *image, uint64_t place)
{
    return (const unsigned char *)image->description + place;
}

static void hash_text(uint64_t *sum, const char *text)
{
    do hash(sum, (unsigned char)*text);
    while (*text++ != '\0');
}

uint64_t dlc_image_functions(const dlc_image *image)
{
    const dlc_head *head = image->description;
    const dlc_function_record *function = (const dlc_function_record *)dlc_image_described(image, head->functions);
    const dlc_function_record *end = function + head->function_count;
    uint64_t sum = HASH_START, axis;
    for (; function < end; function++) {
        const dlc_port_record *port = (const dlc_port_record *)dlc_image_described(image, function->ports);
        const dlc_port_record *last = port + function->inputs + function->outputs;
        hash_text(&sum, (const char *)dlc_image_described(image, function->name));
        hash(&sum, function->inputs);
        hash(&sum, function->outputs);
        for (; port < last; port++) {
            const uint64_t *extents = (const uint64_t *)dlc_image_described(image, port->extents);
            hash_text(&sum, (const char *)dlc_image_described(image, port->name));
            hash(&sum, port->element);
            hash(&sum, port->rank);
            for (axis = 0; axis < 2 * port->rank; axis++) hash(&sum, extents[axis]);
        }
    }
    return sum;
}

/* Whether a file that is whole is one that this version of dlc wrote. */
static int image_sound(dlc_image *image, span in)
{
    const dlc_image_head *head = image->head;
    span description, checked;
    uint64_t number;
    checked.start = in.start + UNCHECKED;
    checked.bytes = in.bytes - UNCHECKED;
    if (head->bytes != in.bytes || head->sum != checksum(checked)) return 0;
    description.start = (const unsigned char *)table(in, head->description, head->description_bytes, 1);
    description.bytes = head->description_bytes;
    if (description.start == NULL || !description_sound(description)) return 0;
    image->description = (const dlc_head *)description.start;
    if (head->major > 0xffff || head->minor > 0xffff) return 0;
    if (!has_bytes(in, head->constants, head->constant_bytes)) return 0;
    if (image->description->constant_bytes != head->constant_bytes) return 0;
    /* The driver takes a text up to a zero byte. */
    if (!has_bytes(in, head->text, head->text_bytes) || !has_text(in, head->text)) return 0;
    if (strlen((const char *)in.start + head->text) != head->text_bytes) return 0;
    if (image->description->function_count != head->function_count) return 0;
    image->kernels = (const dlc_image_kernel *)table(in, head->kernels, head->kernel_count, sizeof *image->kernels);
    image->functions =
        (const dlc_image_function *)table(in, head->functions, head->function_count, sizeof *image->functions);
    if (image->kernels == NULL || image->functions == NULL) return 0;
    for (number = 0; number < head->kernel_count; number++) {
        if (!kernel_sound(image, in, image->kernels + number)) return 0;
    }
    for (number = 0; number < head->function_count; number++) {
        if (!launches_sound(image, in, (size_t)number)) return 0;
    }
    return 1;
}

/* All bytes of a file, or NULL with errno set. */
static unsigned char *file_bytes(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    size_t capacity = (size_t)1 << 16, got;
    unsigned char *bytes, *grown;
    int cause;
    if (file == NULL) return NULL;
    *length = 0;
    bytes = (unsigned char *)malloc(capacity);
    while (bytes != NULL && (got = fread(bytes + *length, 1, capacity - *length, file)) > 0) {
        *length += got;
        if (*length < capacity) continue;
        grown = capacity > (size_t)-1 / 2 ? NULL : (unsigned char *)realloc(bytes, capacity * 2);
        if (grown == NULL) free(bytes);
        bytes = grown;
        capacity *= 2;
    }
    cause = bytes == NULL ? ENOMEM : ferror(file) ? errno : 0;
    fclose(file);
    if (cause == 0) return bytes;
    free(bytes);
    errno = cause;
    return NULL;
}

dlc_status dlc_image_read(dlc_image *image, const char *path, char *message)
{
    span in;
    size_t length = 0;
    memset(image, 0, sizeof *image);
    errno = 0;
    image->bytes = file_bytes(path, &length);
    if (image->bytes == NULL) {
        return fail(message, errno == ENOMEM ? DLC_NO_MEMORY : DLC_FILE, "%.200s cannot be read: %.80s", path,
                    strerror(errno));
    }
    in.start = image->bytes;
    in.bytes = length;
    image->head = (const dlc_image_head *)image->bytes;
    if (length < 2 * sizeof(uint64_t) || image->head->magic != IMAGE_MAGIC) {
        return fail(message, DLC_DAMAGED, "%.160s is no code for GPUs that `dlc compile --emit ptx` made", path);
    }
    if (image->head->version != DLC_ABI_VERSION) {
        return fail(message, DLC_OTHER_VERSION,
                    "%.160s follows version %llu of the contract between code and runtime, this program version %d: "
                    "compile the model again", path, (unsigned long long)image->head->version, DLC_ABI_VERSION);
    }
    if (length < sizeof(dlc_image_head) || !image_sound(image, in)) {
        return fail(message, DLC_DAMAGED, "%.160s is damaged: its bytes are not those that `dlc compile` wrote", path);
    }
    return DLC_OK;
}

void dlc_image_drop(dlc_image *image)
{
    free(image->bytes);
    memset(image, 0, sizeof *image);
}
