/* What may be chosen about an instance: threads, or a pool of the program's own, and memory. See dlc_options. */
typedef dlc_options @name@_options;

/* Makes an instance. @NAME@_OPTIONS is one thread and memory of its own; NULL checks no version and takes as many
 * threads as the machine runs at once. If it fails, *model is NULL, which all other functions refuse. */
dlc_status @name@_create(@name@ **model, const @name@_options *options);

/* Bytes of memory that an instance with so many threads takes (0 for as many as the machine runs at once), for
 * @name@_options; 0 if there cannot be so many. */
size_t @name@_memory_bytes(uint32_t threads);

