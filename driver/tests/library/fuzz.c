/* Everything that can be wrong, given to the library: fuzz SCRATCH_FOLDER GOOD_WEIGHTS OTHER_WEIGHTS ROUNDS. Whatever
 * comes is a status with a text; what is refused changes nothing. */
#define _GNU_SOURCE 1
#include "digits.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPECT(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); exit(1); } } while (0)
#define SAYS(model, text) EXPECT(strstr(digits_message(model), text) != NULL)

static float image[DIGITS_PREDICT_IMAGE_ELEMENTS(DIGITS_BATCH_MAX)];
static float logits[DIGITS_PREDICT_LOGITS_ELEMENTS(DIGITS_BATCH_MAX)], before[DIGITS_PREDICT_LOGITS_ELEMENTS(1)];
static int32_t label[DIGITS_BATCH_MAX];
static uint64_t drawn = 1;

/* SplitMix64. */
static uint64_t draw(uint64_t below)
{
    uint64_t value = drawn += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return (value ^ value >> 31) % below;
}

static void pointers(digits *model)
{
    float loss, accuracy;
    int64_t seed;
    const unsigned char byte = 0;
    EXPECT(digits_create(NULL, NULL) == DLC_NULL_POINTER);
    EXPECT(digits_destroy(NULL) == DLC_OK);
    EXPECT(digits_init(NULL, 1) == DLC_NULL_POINTER);
    EXPECT(digits_predict(NULL, 1, image, logits) == DLC_NULL_POINTER);
    EXPECT(digits_train_step(NULL, 1, image, label, &loss, &accuracy) == DLC_NULL_POINTER);
    EXPECT(digits_eval_step(NULL, 1, image, label, &loss, &accuracy) == DLC_NULL_POINTER);
    EXPECT(digits_save(NULL, "x") == DLC_NULL_POINTER);
    EXPECT(digits_load(NULL, "x", DLC_LOAD_ALL) == DLC_NULL_POINTER);
    EXPECT(digits_load_bytes(NULL, &byte, 1, DLC_LOAD_ALL) == DLC_NULL_POINTER);
    EXPECT(digits_get(NULL, "train.seed", &seed, 8) == DLC_NULL_POINTER);
    EXPECT(digits_set(NULL, "train.seed", &seed, 8) == DLC_NULL_POINTER);
    EXPECT(strcmp(digits_message(NULL), "") == 0);
    EXPECT(digits_predict(model, 1, NULL, logits) == DLC_NULL_POINTER);
    EXPECT(digits_train_step(model, 1, image, NULL, &loss, &accuracy) == DLC_NULL_POINTER);
    SAYS(model, "the input `label` is NULL");
    EXPECT(digits_train_step(model, 1, NULL, label, &loss, &accuracy) == DLC_NULL_POINTER);
    EXPECT(digits_eval_step(model, 1, image, label, NULL, NULL) == DLC_OK);
    EXPECT(digits_save(model, NULL) == DLC_NULL_POINTER);
    EXPECT(digits_load(model, NULL, DLC_LOAD_ALL) == DLC_NULL_POINTER);
    EXPECT(digits_load_bytes(model, NULL, 100, DLC_LOAD_ALL) == DLC_NULL_POINTER);
    EXPECT(digits_get(model, NULL, &seed, 8) == DLC_NULL_POINTER);
    EXPECT(digits_get(model, "train.seed", NULL, 8) == DLC_NULL_POINTER);
    EXPECT(digits_set(model, NULL, &seed, 8) == DLC_NULL_POINTER);
    EXPECT(digits_set(model, "train.seed", NULL, 8) == DLC_NULL_POINTER);
    EXPECT(digits_get(model, "", &seed, 8) == DLC_NO_TENSOR);
}

static void sizes(digits *model)
{
    const size_t wrong[] = {0, DIGITS_BATCH_MAX + 1, (size_t)1 << 32, (size_t)-1};
    size_t one;
    int status;
    for (one = 0; one < sizeof wrong / sizeof *wrong; one++) {
        EXPECT(digits_predict(model, wrong[one], image, logits) == DLC_WRONG_BATCH);
        SAYS(model, "this library takes 1 to 32 samples");
    }
    for (one = 1; one <= DIGITS_BATCH_MAX; one++) EXPECT(digits_predict(model, one, image, logits) == DLC_OK);
    EXPECT(digits_predict(model, 1, image, (float *)((char *)logits + 2)) == DLC_UNALIGNED);
    for (status = -3; status < 40; status++) EXPECT(digits_status_text(status)[0] != '\0');
}

static void options(void)
{
    digits_options one = DIGITS_OPTIONS;
    dlc_pool pool = {NULL, NULL};
    size_t bytes = digits_memory_bytes(1);
    unsigned char *block = aligned_alloc(DIGITS_ALIGNMENT, bytes + DIGITS_ALIGNMENT);
    digits *model = (digits *)block;
    EXPECT(digits_memory_bytes(4096) > bytes && digits_memory_bytes(4097) == 0 && digits_memory_bytes(0) != 0);
    one.version = 0;
    EXPECT(digits_create(&model, &one) == DLC_OTHER_VERSION && model == NULL);
    /* The handle of a failed create is refused everywhere. */
    EXPECT(digits_predict(model, 1, image, logits) == DLC_NULL_POINTER && digits_destroy(model) == DLC_OK);
    one.version = DLC_ABI_VERSION, one.graph++;
    EXPECT(digits_create(&model, &one) == DLC_OTHER_MODEL && model == NULL);
    one.graph--, one.threads = UINT32_MAX;
    EXPECT(digits_create(&model, &one) == DLC_NO_THREADS_LEFT && model == NULL);
    one.threads = 2, one.pool = &pool;
    EXPECT(digits_create(&model, &one) == DLC_NULL_POINTER && model == NULL);
    one.threads = 1, one.pool = NULL, one.memory = block + 1, one.memory_bytes = bytes;
    EXPECT(digits_create(&model, &one) == DLC_UNALIGNED && model == NULL);
    one.memory = block, one.memory_bytes = bytes - 1;
    EXPECT(digits_create(&model, &one) == DLC_WRONG_SIZE && model == NULL);
    one.memory_bytes = bytes;
    memset(block, 0xa5, bytes + DIGITS_ALIGNMENT);
    EXPECT(digits_create(&model, &one) == DLC_OK);
    EXPECT(digits_train_step(model, 1, image, label, logits, logits) == DLC_NO_WEIGHTS);
    EXPECT(digits_save(model, "/dev/null") == DLC_NO_WEIGHTS);
    EXPECT(digits_init(model, 7) == DLC_OK && digits_predict(model, 3, image, logits) == DLC_OK);
    EXPECT(digits_destroy(model) == DLC_OK);
    /* In the program's own memory a handle that is destroyed is known as such. */
    EXPECT(digits_destroy(model) == DLC_OTHER_MODEL);
    EXPECT(digits_predict(model, 1, image, logits) == DLC_OTHER_MODEL && digits_message(model)[0] == '\0');
    for (bytes = digits_memory_bytes(1); bytes < digits_memory_bytes(1) + DIGITS_ALIGNMENT; bytes++) {
        EXPECT(block[bytes] == 0xa5);
    }
    free(block);
}

static digits *common;
static int is_ended;

static void *caller(void *counts)
{
    float own[DIGITS_PREDICT_LOGITS_ELEMENTS(1)];
    unsigned *count = counts;
    while (!__atomic_load_n(&is_ended, __ATOMIC_SEQ_CST)) {
        dlc_status status = digits_predict(common, 1, image, own);
        EXPECT(status == DLC_OK || status == DLC_BUSY);
        if (status == DLC_OK) EXPECT(memcmp(own, before, sizeof own) == 0);
        count[status == DLC_BUSY]++;
    }
    return NULL;
}

/* Threads that call one handle at once: each call is done or refused, never mixed up. */
static void crowd(digits *model)
{
    enum { CALLERS = 4 };
    pthread_t threads[CALLERS];
    unsigned counts[CALLERS][2] = {{0, 0}}, together[2] = {0, 0};
    int one;
    common = model;
    EXPECT(digits_predict(model, 1, image, before) == DLC_OK);
    for (one = 0; one < CALLERS; one++) EXPECT(pthread_create(&threads[one], NULL, caller, counts[one]) == 0);
    usleep(200000);
    __atomic_store_n(&is_ended, 1, __ATOMIC_SEQ_CST);
    for (one = 0; one < CALLERS; one++) {
        pthread_join(threads[one], NULL);
        together[0] += counts[one][0], together[1] += counts[one][1];
    }
    EXPECT(together[0] > 0 && together[1] > 0);
}

static void in_folder(char *path, const char *folder, const char *name)
{
    snprintf(path, 4096, "%s/%s", folder, name);
}

static void files(digits *model, const char *folder, const char *good)
{
    static char path[4096], deep[4096];
    struct stat about;
    FILE *file;
    in_folder(path, folder, "saved");
    EXPECT(digits_save(model, path) == DLC_OK);
    /* A full disk, which stays what it is, and loses no file. */
    if (stat("/dev/full", &about) == 0) {
        EXPECT(digits_save(model, "/dev/full") == DLC_FILE);
        SAYS(model, "/dev/full cannot be written: No space left on device");
        EXPECT(stat("/dev/full", &about) == 0 && S_ISCHR(about.st_mode));
    }
    EXPECT(digits_save(model, "/dev/null") == DLC_OK && stat("/dev/null", &about) == 0 && S_ISCHR(about.st_mode));
    EXPECT(digits_save(model, folder) == DLC_FILE && digits_load(model, folder, DLC_LOAD_ALL) == DLC_FILE);
    SAYS(model, "directory");
    EXPECT(digits_save(model, "") == DLC_FILE && digits_load(model, "", DLC_LOAD_ALL) == DLC_FILE);
    in_folder(deep, path, "below_a_file");
    EXPECT(digits_save(model, deep) == DLC_FILE && digits_load(model, deep, DLC_LOAD_ALL) == DLC_FILE);
    SAYS(model, "cannot be opened: Not a directory");
    memset(deep, 'a', sizeof deep - 1);
    EXPECT(digits_save(model, deep) == DLC_FILE && digits_load(model, deep, DLC_LOAD_ALL) == DLC_FILE);
    in_folder(deep, folder, "sealed");
    EXPECT(mkdir(deep, 0500) == 0);
    in_folder(deep, folder, "sealed/file");
    /* Who may write everywhere may write there, too. */
    EXPECT(digits_save(model, deep) == (geteuid() == 0 ? DLC_OK : DLC_FILE));
    EXPECT(digits_load(model, "/dev/null", DLC_LOAD_ALL) == DLC_DAMAGED);
    SAYS(model, "it is too short");
    in_folder(deep, folder, "empty");
    file = fopen(deep, "wb");
    EXPECT(file != NULL && fclose(file) == 0 && digits_load(model, deep, DLC_LOAD_ALL) == DLC_DAMAGED);
    EXPECT(digits_load(model, good, DLC_LOAD_ALL) == DLC_OK);
}

static void others(digits *model, const char *other)
{
    EXPECT(digits_load(model, other, DLC_LOAD_ALL) == DLC_OTHER_WEIGHTS);
    SAYS(model, "the weights are those of the model points (graph 00000000000000ff), the library is digits (graph ");
    EXPECT(digits_load(model, other, DLC_LOAD_PARAMETERS) == DLC_OTHER_WEIGHTS);
    EXPECT(digits_load(model, other, DLC_LOAD_MATCHING) == DLC_OTHER_WEIGHTS);
    SAYS(model, "no parameter of the model is in the file");
}

/* One of many ways to spoil a file of `length` bytes, the first `header` of which say what is in it. */
static size_t spoiled(unsigned char *bytes, size_t length, size_t header)
{
    static const char *const pieces[] = {
        "{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\ud800", "\\\"", "null", "-1", "18446744073709551616", "1e9",
        "\"__metadata__\":{}", "\"dtype\":\"F64\"", "\"shape\":[]", "\xff", "\"data_offsets\":[0,0]", " ",
    };
    size_t place = (size_t)draw(header), other = (size_t)draw(header), count = 1 + (size_t)draw(40);
    const char *piece = pieces[draw(sizeof pieces / sizeof *pieces)];
    switch (draw(8)) {
    case 0: bytes[place] ^= (unsigned char)(1u << draw(8)); break;
    case 1: bytes[place] = (unsigned char)draw(256); break;
    case 2: bytes[draw(8)] = (unsigned char)draw(256); break;
    case 3: return (size_t)draw(length);
    case 4: for (; count > 0 && place < header; count--, place++) bytes[place] = (unsigned char)draw(256); break;
    case 5: if (count > header - place) count = header - place;
            if (count > header - other) count = header - other;
            memmove(bytes + place, bytes + other, count); break;
    case 6: count = strlen(piece);
            if (count <= header - place) memcpy(bytes + place, piece, count);
            break;
    default: if (bytes[place] >= '0' && bytes[place] <= '9') bytes[place] = (unsigned char)('0' + draw(10));
             else bytes[length - 1 - draw(length - header)] ^= 1;
    }
    return length;
}

static void spoil(digits *model, const char *path, unsigned long rounds)
{
    FILE *file = fopen(path, "rb");
    unsigned char *good, *bytes, *exact;
    size_t length, header, place;
    unsigned long round, seen[DLC_NOT_BUILT + 1] = {0};
    EXPECT(file != NULL && fseek(file, 0, SEEK_END) == 0);
    length = (size_t)ftell(file);
    rewind(file);
    good = malloc(length), bytes = malloc(length);
    EXPECT(fread(good, 1, length, file) == length && fclose(file) == 0);
    for (header = 0, place = 8; place-- > 0;) header = header << 8 | good[place];
    header += 8;
    EXPECT(digits_predict(model, 1, image, before) == DLC_OK);
    for (round = 0; round < rounds; round++) {
        size_t now = length;
        unsigned times = 1 + (unsigned)draw(3);
        dlc_status status;
        memcpy(bytes, good, length);
        while (times-- > 0 && now == length) now = spoiled(bytes, length, header);
        /* Of exactly that length, so that a read behind it is seen. */
        exact = malloc(now + (now == 0));
        memcpy(exact, bytes, now);
        status = digits_load_bytes(model, exact, now, (dlc_policy)draw(3));
        free(exact);
        EXPECT(status == DLC_OK || status == DLC_DAMAGED || status == DLC_OTHER_WEIGHTS);
        EXPECT((digits_message(model)[0] == '\0') == (status == DLC_OK));
        seen[status]++;
        if (status == DLC_OK) {
            EXPECT(digits_predict(model, 1, image, logits) == DLC_OK);
            EXPECT(digits_load_bytes(model, good, length, DLC_LOAD_ALL) == DLC_OK);
        } else if (round % 16 == 0) {
            EXPECT(digits_predict(model, 1, image, logits) == DLC_OK);
            EXPECT(memcmp(before, logits, sizeof before) == 0);
        }
    }
    EXPECT(seen[DLC_OK] > 0 && seen[DLC_DAMAGED] > 0 && seen[DLC_OTHER_WEIGHTS] > 0);
    free(good), free(bytes);
}

int main(int count, char **arguments)
{
    digits_options chosen = DIGITS_OPTIONS;
    digits *model;
    size_t pixel;
    EXPECT(count == 5);
    for (pixel = 0; pixel < sizeof image / sizeof *image; pixel++) image[pixel] = (float)draw(17);
    chosen.threads = 2;
    EXPECT(digits_create(&model, &chosen) == DLC_OK);
    EXPECT(digits_load(model, arguments[2], DLC_LOAD_MATCHING) == DLC_NO_WEIGHTS);
    EXPECT(digits_load(model, arguments[2], DLC_LOAD_ALL) == DLC_OK);
    pointers(model);
    sizes(model);
    options();
    crowd(model);
    files(model, arguments[1], arguments[2]);
    others(model, arguments[3]);
    spoil(model, arguments[2], strtoul(arguments[4], NULL, 10));
    EXPECT(digits_destroy(model) == DLC_OK);
    return 0;
}
