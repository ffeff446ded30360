/* A hash of the functions with their inputs and outputs, which code for a GPU must have, too. */
#define @NAME@_FUNCTIONS UINT64_C(0x@functions@)

/* Makes an instance on a GPU, by its number from 0, of the code that `dlc compile --emit ptx` wrote to a file. If it
 * fails, *model is NULL, which all other functions refuse, and `message` gets in words what was wrong, cut to `bytes`; it
 * may be NULL. The machine needs NVIDIA's driver and nothing else. */
dlc_status @name@_create_on_gpu(@name@ **model, const char *path, unsigned ordinal, char *message, size_t bytes);

