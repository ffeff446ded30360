#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* An instance of the model: its weights, its memory, and what its functions run on. */
typedef struct @name@ @name@;

@create@/* Ends it; NULL does nothing. The handle is not to be used again. */
dlc_status @name@_destroy(@name@ *model);

/* Writes all parameters and states to a safetensors file, beside its place first: whatever happens, the place holds the
 * old file or the new one. */
dlc_status @name@_save(@name@ *model, const char *path);

/* Reads them from a safetensors file: one of @name@_save, a checkpoint of `dlc train`, or any other with these names,
 * types and shapes. A file that says that it is of another model is refused. What is refused changes nothing. */
dlc_status @name@_load(@name@ *model, const char *path, dlc_policy policy);

/* The same from memory; the bytes are not needed afterwards. */
dlc_status @name@_load_bytes(@name@ *model, const void *bytes, size_t length, dlc_policy policy);

/* Reads or sets one parameter or state: its elements in the plain order, `bytes` of them. Names, types and shapes are
 * at the end of this file. */
dlc_status @name@_get(@name@ *model, const char *tensor, void *values, size_t bytes);
dlc_status @name@_set(@name@ *model, const char *tensor, const void *values, size_t bytes);

/* The instructions that its code was compiled for: `--cpu`, or the one of `--cpu multi` in use; of a GPU `--sm`. */
const char *@name@_cpu(const @name@ *model);

/* What was wrong in the last call with this handle, in words; empty if nothing was. It holds until the next call. */
const char *@name@_message(const @name@ *model);

/* What a status means, in words. */
const char *@name@_status_text(int status);

