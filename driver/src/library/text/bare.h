/* Bare: the object file alone, which calls nothing: for programs without threads, files, heap or C library, and for
 * those that bring their own. Fill a dlc_context:
 *
 * - arena: @NAME@_ARENA_BYTES, and scratch: @NAME@_THREAD_BYTES for each thread, zero at first, aligned to
 *   @NAME@_ALIGNMENT, like all blocks;
 * - persistent: @NAME@_PERSISTENT_BYTES, with parameters and states as the end of this file says@begin@;
 * - constants: @name@_constants; bindings: inputs, then outputs, in the order above, none of them NULL.
 *
 * Then each thread calls the function with the context and its own number, within dlc_float_enter and dlc_float_leave. */
