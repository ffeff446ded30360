/* A model's code for a device as `dlc compile --emit ptx` writes it, NAME.launches: read, and checked so far that
 * nobody has to look again (dlc_image.c). It is a part of dlc_cuda.c; programs do not need it.
 *
 * Numbers of kernels, operands, inputs and outputs are in range, operands begin in their blocks in every round, kernels
 * have blocks that a device could have, and every table and text lies in the file. What the code does is not checked:
 * the text comes from someone whom you would let run a program.
 */
#ifndef DLC_IMAGE_H
#define DLC_IMAGE_H

#include "dlc_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dlc_image_head {
    uint64_t magic, version, bytes, sum, description, description_bytes, constants, constant_bytes, text, text_bytes;
    uint64_t major, minor, exact, kernels, kernel_count, functions, function_count;
} dlc_image_head;

/* Its first parameter is the batch, the others are pointers to the operands, in order. */
typedef struct dlc_image_kernel {
    uint64_t name, threads, shared_bytes, tiles, tile_count, operands;
} dlc_image_kernel;

/* What is done where parameters or states have changed, and what is done always. */
typedef struct dlc_image_function {
    uint64_t prologue, prologue_count, steps, step_count;
} dlc_image_function;

/* A launch of the kernel `number` with `count` operands at `place`, or the next `place` steps, `number` times. */
typedef struct dlc_image_step {
    uint64_t kind, number, place, count;
} dlc_image_step;

/* Where an operand begins: in the arena, among parameters and states, constants, or in the input or output `number`. */
typedef struct dlc_image_operand {
    uint64_t memory, number, byte, strides, stride_count;
} dlc_image_operand;

enum { DLC_IN_ARENA = 0, DLC_IN_PERSISTENT = 1, DLC_IN_CONSTANTS = 2, DLC_IN_BINDING = 3 };

/* A file in memory. */
typedef struct dlc_image {
    unsigned char *bytes;
    const dlc_image_head *head;
    const dlc_head *description;
    const dlc_image_kernel *kernels;
    const dlc_image_function *functions;
} dlc_image;

/* Reads a file; `message` has room for DLC_MESSAGE_BYTES. What it took is to be given back even where it fails. */
dlc_status dlc_image_read(dlc_image *image, const char *path, char *message);
void dlc_image_drop(dlc_image *image);

/* Tells functions apart that are called in another way: a hash of their names and of the names, types and extents of
 * their inputs and outputs, in order. */
uint64_t dlc_image_functions(const dlc_image *image);

/* What lies at a place of the file, or of the description. */
const void *dlc_image_at(const dlc_image *image, uint64_t place);
const void *dlc_image_described(const dlc_image *image, uint64_t place);

/* Blocks of a kernel for a batch of at most the greatest. */
uint32_t dlc_image_blocks(const dlc_image *image, const dlc_image_kernel *kernel, uint64_t batch);

/* The first byte of an operand in its block, in these rounds of the repetitions around the launch. */
uint64_t dlc_image_start(const dlc_image *image, const dlc_image_operand *operand, const uint64_t *rounds);

/* Launches of a function with its prologue; the greatest number for more than there are numbers. */
uint64_t dlc_image_launches(const dlc_image *image, size_t function);

/* Calls `each` with every launch in order, and the rounds of the repetitions around it, outermost first; ends where it
 * gives 0, and then gives 0. */
typedef int (*dlc_image_each)(void *data, const dlc_image_step *launch, const uint64_t *rounds);
int dlc_image_walk(const dlc_image *image, size_t function, int prepare, dlc_image_each each, void *data);

#ifdef __cplusplus
}
#endif

#endif
