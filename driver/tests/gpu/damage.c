/* Every file that is shorter or has other bytes, given to the runtime: damage LAUNCHES SCRATCH ROUNDS. There is no driver,
 * so that a file in which nothing is wrong gets DLC_NO_DEVICE. */
#include "net.h"
#include "dlc_cuda.h"
#include "dlc_image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(what) do { if (!(what)) { printf("line %d: %s\n", __LINE__, #what); exit(1); } } while (0)

static unsigned char *bytes, *changed;
static size_t length;
static const char *scratch;
static uint64_t drawn = 1;

/* SplitMix64. */
static uint64_t draw(uint64_t below)
{
    uint64_t value = drawn += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return (value ^ value >> 31) % below;
}

static void write_file(const unsigned char *from, size_t count)
{
    FILE *file = fopen(scratch, "wb");
    EXPECT(file != NULL && fwrite(from, 1, count, file) == count && fclose(file) == 0);
}

static dlc_status created(const unsigned char *from, size_t count)
{
    net *model;
    dlc_status status;
    write_file(from, count);
    status = net_create_on_gpu(&model, scratch, 0, NULL, 0);
    EXPECT(model == NULL);
    return status;
}

/* The checksum that the changed bytes have. */
static void sum(void)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325), word;
    size_t place;
    for (place = 32; place + 8 <= length; place += 8) {
        memcpy(&word, changed + place, 8);
        value = (value ^ word) * UINT64_C(0x100000001b3);
    }
    for (; place < length; place++) value = (value ^ changed[place]) * UINT64_C(0x100000001b3);
    memcpy(changed + 24, &value, 8);
}

static void without_checksum(void)
{
    size_t place, step = length / 500 + 1;
    EXPECT(created(bytes, length) == DLC_NO_DEVICE);
    for (place = 0; place < length; place += place < 256 ? 1 : step) {
        EXPECT(created(bytes, place) == DLC_DAMAGED);
    }
    memcpy(changed, bytes, length);
    for (place = 0; place < length; place += place < 256 ? 1 : step) {
        changed[place] ^= (unsigned char)(1u << draw(8));
        EXPECT(created(changed, length) == (place >= 8 && place < 16 ? DLC_OTHER_VERSION : DLC_DAMAGED));
        changed[place] = bytes[place];
    }
    changed = (unsigned char *)realloc(changed, length + 8);
    memset(changed + length, 0, 8);
    EXPECT(created(changed, length + 8) == DLC_DAMAGED);
}

static int counted(void *data, const dlc_image_step *launch, const uint64_t *rounds)
{
    const dlc_image *image = (const dlc_image *)data;
    const dlc_image_operand *operands = (const dlc_image_operand *)dlc_image_at(image, launch->place);
    uint64_t number, all = 0;
    all += dlc_image_blocks(image, image->kernels + launch->number, 1);
    for (number = 0; number < launch->count; number++) {
        uint64_t start = dlc_image_start(image, operands + number, rounds);
        EXPECT(operands[number].memory != DLC_IN_PERSISTENT || start <= image->description->persistent_bytes);
        all += start;
    }
    drawn ^= all;
    return 1;
}

/* A device that computes nothing. */
static dlc_status upload(void *data, const void *persistent, char *message)
{
    (void)data, (void)persistent, (void)message;
    return DLC_OK;
}

static dlc_status download(void *data, void *persistent, char *message)
{
    const dlc_image *image = (const dlc_image *)data;
    (void)message;
    memset(persistent, 1, (size_t)image->description->persistent_bytes);
    return DLC_OK;
}

static dlc_status called(void *data, const dlc_device_call *call, char *message)
{
    (void)data, (void)call, (void)message;
    return DLC_OK;
}

static void destroyed(void *data)
{
    (void)data;
}

/* Has a session do with the description what reads all of it. */
static void used(dlc_image *image)
{
    static const dlc_model model = {0, 0, 0, 0};
    static unsigned char values[1 << 16];
    dlc_device device = {upload, download, called, destroyed, NULL};
    const dlc_head *head = image->description;
    const dlc_tensor_record *tensors = (const dlc_tensor_record *)dlc_image_described(image, head->tensors);
    dlc_session *session;
    uint64_t number;
    device.data = image;
    if (head->persistent_bytes > 1 << 20) return;
    EXPECT(dlc_create_on(&session, &model, head, &device) == DLC_OK);
    dlc_initialize(session, &model, 1);
    for (number = 0; number < head->tensor_count; number++) {
        const char *name = (const char *)dlc_image_described(image, tensors[number].name);
        if (tensors[number].plain_bytes > sizeof values) continue;
        dlc_set(session, &model, name, values, (size_t)tensors[number].plain_bytes);
        dlc_get(session, &model, name, values, (size_t)tensors[number].plain_bytes);
    }
    dlc_call(session, &model, 0, 1, NULL, NULL);
    if (dlc_save(session, &model, scratch) == DLC_OK) dlc_load(session, &model, scratch, DLC_LOAD_MATCHING);
    EXPECT(dlc_cpu(session, &model) != NULL && dlc_destroy(session, &model) == DLC_OK);
}

/* With a checksum that fits, nothing but the checks is between the bytes and their use. */
static void with_checksum(unsigned rounds)
{
    static const uint64_t odd[] = {0, 1, 2, 3, 7, 8, 1 << 16, UINT64_C(1) << 32, UINT64_C(1) << 46, UINT64_C(1) << 63,
                                   ~UINT64_C(0), ~UINT64_C(0) - 7};
    uint64_t text, text_bytes, word;
    unsigned sound = 0, refused = 0, round;
    memcpy(&text, bytes + 64, 8);
    memcpy(&text_bytes, bytes + 72, 8);
    for (round = 0; round < rounds; round++) {
        char message[DLC_MESSAGE_BYTES];
        unsigned changes = 1 + (unsigned)draw(2);
        dlc_image image;
        memcpy(changed, bytes, length);
        while (changes-- > 0) {
            size_t place = (size_t)draw(length / 8 - 4) * 8;
            /* The head's first words are what is checked above, and the text is the driver's. */
            if (place < 32) place += 32;
            if (place >= text && place < text + text_bytes) place = 32 + (size_t)draw(13) * 8;
            memcpy(&word, changed + place, 8);
            word = draw(2) ? odd[draw(sizeof odd / sizeof *odd)] : draw(2) ? word + draw(17) - 8 : draw(length);
            memcpy(changed + place, &word, 8);
        }
        sum();
        write_file(changed, length);
        if (dlc_image_read(&image, scratch, message) == DLC_OK) {
            size_t function;
            sound++;
            dlc_image_functions(&image);
            for (function = 0; function < image.head->function_count; function++) {
                if (dlc_image_launches(&image, function) < 4096) dlc_image_walk(&image, function, 1, counted, &image);
            }
            used(&image);
        } else {
            refused++;
        }
        dlc_image_drop(&image);
    }
    /* Else the changes would show nothing. */
    EXPECT(sound > rounds / 50 && refused > rounds / 50);
}

int main(int count, char **arguments)
{
    FILE *file;
    EXPECT(count == 4);
    scratch = arguments[2];
    file = fopen(arguments[1], "rb");
    EXPECT(file != NULL && fseek(file, 0, SEEK_END) == 0);
    length = (size_t)ftell(file);
    rewind(file);
    bytes = (unsigned char *)malloc(length);
    changed = (unsigned char *)malloc(length);
    EXPECT(fread(bytes, 1, length, file) == length && fclose(file) == 0);
    without_checksum();
    with_checksum((unsigned)atoi(arguments[3]));
    free(bytes);
    free(changed);
    return 0;
}
