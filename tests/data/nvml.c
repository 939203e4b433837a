/* A driver for tests: NVML's C interface over cards that FAKE_CARDS describes.
 *
 * FAKE_CARDS is "card;card;…", a card is "uuid,name,total MiB,used MiB,behaviour,behaviour…".
 * Behaviours: lost (the card has fallen off the bus), na (no sensors), nomem (shares the machine's memory),
 * mig (cut into slices: every other number), uncut (in MIG mode, without a slice), jittery (answers once).
 * FAKE_INIT is what nvmlInit answers, FAKE_COUNT what the count answers, when not 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, LOST = 15 };
enum { MOST = 8, SLICES = 4 };

typedef struct {
    char uuid[96], name[96], behaviour[96];
    unsigned long long total, used;
    int slice; /* its number, from 1; 0: a whole card */
    int parent;
} Card;

static Card cards[MOST * (SLICES + 1)];
static int whole, known;

static int wished(const char *name) {
    const char *value = getenv(name);
    return value ? atoi(value) : 0;
}

static int behaves(const Card *card, const char *how) { return strstr(card->behaviour, how) != NULL; }

static void add_slices(int parent) {
    for (int number = 1; number <= SLICES; number += 2) {
        Card *slice = &cards[known++];
        *slice = cards[parent];
        snprintf(slice->uuid, sizeof slice->uuid, "MIG-%.80s-%d", cards[parent].uuid, number);
        snprintf(slice->name, sizeof slice->name, "%.80s MIG 1g", cards[parent].name);
        slice->total /= SLICES;
        slice->slice = number + 1;
        slice->parent = parent;
    }
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    static char text[4096];
    snprintf(text, sizeof text, "%s", getenv("FAKE_CARDS") ? getenv("FAKE_CARDS") : "");
    whole = 0;
    char *rest = text, *one;
    while ((one = strsep(&rest, ";")) && *one && whole < MOST) {
        Card *card = &cards[whole++];
        memset(card, 0, sizeof *card);
        sscanf(one, "%95[^,],%95[^,],%llu,%llu,%95s", card->uuid, card->name, &card->total, &card->used,
               card->behaviour);
    }
    known = whole;
    for (int at = 0; at < whole; at++)
        if (behaves(&cards[at], "mig")) add_slices(at);
    return wished("FAKE_INIT");
}

int nvmlShutdown(void) { return OK; }

const char *nvmlErrorString(int status) { return status == LOST ? "GPU is lost" : "Error"; }

int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    snprintf(out, size, "570.86.15");
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = whole;
    return wished("FAKE_COUNT");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned at, Card **card) {
    *card = &cards[at];
    return behaves(*card, "lost") ? LOST : OK;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Card **card) {
    for (int at = 0; at < known; at++)
        if (!strcmp(uuid, cards[at].uuid)) {
            *card = &cards[at];
            return behaves(*card, "lost") ? LOST : OK;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(const Card *card, char *out, unsigned size) {
    snprintf(out, size, "%s", card->uuid);
    return OK;
}

int nvmlDeviceGetName(const Card *card, char *out, unsigned size) {
    snprintf(out, size, "%s", card->name);
    return OK;
}

typedef struct { unsigned long long total, unused, used; } Memory;

int nvmlDeviceGetMemoryInfo(const Card *card, Memory *memory) {
    static int asked;
    if (behaves(card, "nomem")) return NOT_SUPPORTED;
    if (behaves(card, "jittery") && asked++) return LOST;
    memory->total = card->total << 20;
    memory->used = card->used << 20;
    memory->unused = memory->total - memory->used;
    return OK;
}

typedef struct { unsigned gpu, memory; } Utilisation;

int nvmlDeviceGetUtilizationRates(const Card *card, Utilisation *rates) {
    if (card->slice || behaves(card, "na")) return NOT_SUPPORTED;
    rates->gpu = 87;
    rates->memory = 40;
    return OK;
}

int nvmlDeviceGetTemperature(const Card *card, int sensor, unsigned *celsius) {
    if (card->slice) return INVALID;
    if (behaves(card, "na")) return NOT_SUPPORTED;
    *celsius = sensor == 0 ? 64 : 0;
    return OK;
}

int nvmlDeviceGetPowerUsage(const Card *card, unsigned *milliwatts) {
    if (card->slice) return INVALID;
    if (behaves(card, "na")) return NOT_SUPPORTED;
    *milliwatts = 168500;
    return OK;
}

int nvmlDeviceGetMigMode(const Card *card, unsigned *now, unsigned *wanted) {
    *now = *wanted = behaves(card, "mig") || behaves(card, "uncut");
    return *now || !behaves(card, "na") ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetMaxMigDeviceCount(const Card *card, unsigned *count) {
    (void)card;
    *count = SLICES;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(const Card *card, unsigned number, Card **slice) {
    for (int at = whole; at < known; at++)
        if (&cards[cards[at].parent] == card && cards[at].slice == (int)number + 1) {
            *slice = &cards[at];
            return OK;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(const Card *slice, Card **card) {
    *card = &cards[slice->parent];
    return OK;
}
