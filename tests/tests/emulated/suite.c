/* Calls functions of linked objects, one after the other on one thread, as a file of 64-bit words and bytes says; writes
 * the bytes of all outputs: suite < CALLS > OUTPUTS.
 *
 * A call is: the number of the function, batch, bytes of the persistent block, of the arena and of scratch, number of
 * inputs, number of outputs; for every input its bytes and as many bytes, padded to words; for every output its bytes. */
#include "dlc_runtime.h"
#include "suite.h"
#include <stdio.h>
#include <stdlib.h>

#define EXPECT(what) do { if (!(what)) { fprintf(stderr, "line %d: %s\n", __LINE__, #what); exit(1); } } while (0)

enum { PORTS = 64 };

static uint64_t word(void)
{
    uint64_t value;
    EXPECT(fread(&value, 8, 1, stdin) == 1);
    return value;
}

/* Cleared memory of exactly so many bytes, at the end of what was taken. */
static void *cleared(uint64_t bytes)
{
    size_t whole = ((size_t)bytes + 64) / 64 * 64;
    unsigned char *start = aligned_alloc(64, whole);
    size_t place;
    EXPECT(start != NULL);
    for (place = 0; place < whole; place++) start[place] = 0;
    return start;
}

static void none(const void *data)
{
    (void)data;
}

static void call(void)
{
    void *bindings[PORTS];
    uint64_t sizes[PORTS], number = word(), batch = word(), persistent = word(), arena = word(), scratch = word();
    uint64_t inputs = word(), outputs = word(), port, mode;
    dlc_context context = {0};
    EXPECT(number < sizeof functions / sizeof *functions && inputs + outputs <= PORTS);
    for (port = 0; port < inputs + outputs; port++) {
        sizes[port] = word();
        bindings[port] = cleared(sizes[port]);
        if (port < inputs) EXPECT(fread(bindings[port], 1, (size_t)(sizes[port] + 7) / 8 * 8, stdin) == (sizes[port] + 7) / 8 * 8);
    }
    context.persistent = cleared(persistent);
    context.arena = cleared(arena);
    context.scratch = cleared(scratch);
    context.scratch_bytes = (int64_t)scratch;
    context.constants = constants[number];
    context.bindings = bindings;
    context.batch = (int64_t)batch;
    context.threads = context.prepare = 1;
    context.barrier = none;
    mode = dlc_float_enter();
    functions[number](&context, 0);
    dlc_float_leave(mode);
    for (port = inputs; port < inputs + outputs; port++) {
        EXPECT(fwrite(bindings[port], 1, (size_t)sizes[port], stdout) == sizes[port]);
    }
    for (port = 0; port < inputs + outputs; port++) free(bindings[port]);
    free(context.persistent);
    free(context.arena);
    free(context.scratch);
}

int main(void)
{
    uint64_t calls = word();
    while (calls-- > 0) call();
    return 0;
}
