// Which region an address is in, and which regions are near to another: read from JSON, checked, and of a fixed size.
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NETWORKS 256
#define MOST_REGIONS 32
#define MOST_NEIGHBOURS 8
#define NAME 64 // bytes of a name, with the zero at its end
#define NOWHERE MOST_REGIONS

typedef struct {
    uint8_t address[16]; // IPv4 as ::ffff:a.b.c.d
    uint8_t bits;
    uint8_t region;
} network_t;

typedef struct {
    char names[MOST_REGIONS][NAME];
    uint8_t regions;
    network_t networks[MOST_NETWORKS];
    uint16_t count;
    uint8_t neighbours[MOST_REGIONS][MOST_NEIGHBOURS];
    uint8_t near[MOST_REGIONS]; // how many neighbours each has
} geography_t;

typedef struct {
    const char *at, *end;
    char *why; // what is wrong, of 160 bytes
} reader_t;

static bool wrong(reader_t *reader, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->why, 160, format, arguments);
    va_end(arguments);
    return false;
}

// The region of this name, which is a new one if it is not known; NOWHERE if there are too many.
static uint8_t region(geography_t *all, const char *name) {
    uint8_t at = 0;
    while (at < all->regions && strcmp(all->names[at], name) != 0) at++;
    if (at == all->regions && at < MOST_REGIONS) strcpy(all->names[all->regions++], name);
    return at;
}

// The same of text that has no zero at its end; NOWHERE if it is not known.
static uint8_t region_named(const geography_t *all, const uint8_t *name, size_t length) {
    for (uint8_t at = 0; at < all->regions; at++)
        if (strlen(all->names[at]) == length && memcmp(all->names[at], name, length) == 0) return at;
    return NOWHERE;
}

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool address_of(const char *text, uint8_t address[16]) {
    if (inet_pton(AF_INET6, text, address) == 1) return true;
    memcpy(address, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, address + 12) == 1;
}

// `10.0.0.0/8`
static bool network_of(const char *text, network_t *network) {
    char address[NAME], *rest;
    const char *slash = strchr(text, '/');
    if (!slash || slash[1] < '0' || slash[1] > '9' || (size_t)(slash - text) >= sizeof address) return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    unsigned long bits = strtoul(slash + 1, &rest, 10), most = strchr(address, ':') ? 128 : 32;
    if (*rest || bits > most || !address_of(address, network->address)) return false;
    network->bits = (uint8_t)(bits + 128 - most);
    return true;
}

static void blank(reader_t *reader) {
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at) reader->at++;
}

static bool take(reader_t *reader, char wanted) {
    blank(reader);
    if (reader->at == reader->end || *reader->at != wanted) return false;
    reader->at++;
    return true;
}

static bool is_text(reader_t *reader) {
    blank(reader);
    return reader->at < reader->end && *reader->at == '"';
}

// Text of a table or list, without escapes: no name here needs any.
static bool name(reader_t *reader, const char *of, char out[NAME]) {
    size_t length = 0;
    if (!take(reader, '"')) return wrong(reader, "there has to be a name in `%s`", of);
    for (; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if (*reader->at == '\\' || (unsigned char)*reader->at < ' ') return wrong(reader, "`%s` has a name with an escape", of);
        if (length == NAME - 1) return wrong(reader, "`%s` has a name of more than %d bytes", of, NAME - 1);
        out[length++] = *reader->at;
    }
    out[length] = 0;
    return take(reader, '"') || wrong(reader, "`%s` has a name without an end", of);
}

// `{ "NAME": …, … }`, of which `each` reads what is behind the colon.
static bool members(reader_t *reader, geography_t *all, const char *of,
                    bool (*each)(reader_t *, geography_t *, const char *)) {
    char key[NAME];
    if (!take(reader, '{')) return wrong(reader, "`%s` has to be a table", of);
    if (take(reader, '}')) return true;
    do {
        if (!name(reader, of, key)) return false;
        if (!take(reader, ':')) return wrong(reader, "there is no value of `%s`", key);
        if (!each(reader, all, key)) return false;
    } while (take(reader, ','));
    return take(reader, '}') || wrong(reader, "`%s` has no end", of);
}

static bool network(reader_t *reader, geography_t *all, const char *key) {
    char value[NAME];
    if (all->count == MOST_NETWORKS) return wrong(reader, "there are more than %d `networks`", MOST_NETWORKS);
    network_t *next = &all->networks[all->count];
    if (!network_of(key, next)) return wrong(reader, "`%s` of `networks` is no network, such as 10.0.0.0/8", key);
    if (!is_text(reader)) return wrong(reader, "the region of `%s` has to be text", key);
    if (!name(reader, key, value)) return false;
    next->region = region(all, value);
    all->count++;
    return next->region != NOWHERE || wrong(reader, "there are more than %d regions", MOST_REGIONS);
}

static bool neighbour(reader_t *reader, geography_t *all, const char *key) {
    char value[NAME];
    uint8_t of = region(all, key);
    if (of == NOWHERE) return wrong(reader, "there are more than %d regions", MOST_REGIONS);
    if (!take(reader, '[')) return wrong(reader, "the `neighbours` of `%s` have to be a list", key);
    if (take(reader, ']')) return true;
    do {
        if (all->near[of] == MOST_NEIGHBOURS) return wrong(reader, "`%s` has more than %d `neighbours`", key, MOST_NEIGHBOURS);
        if (!is_text(reader)) return wrong(reader, "a neighbour of `%s` has to be text", key);
        if (!name(reader, key, value)) return false;
        uint8_t other = region(all, value);
        if (other == NOWHERE) return wrong(reader, "there are more than %d regions", MOST_REGIONS);
        all->neighbours[of][all->near[of]++] = other;
    } while (take(reader, ','));
    return take(reader, ']') || wrong(reader, "the `neighbours` of `%s` have no end", key);
}

static bool setting(reader_t *reader, geography_t *all, const char *key) {
    if (strcmp(key, "networks") == 0) return members(reader, all, key, network);
    if (strcmp(key, "neighbours") == 0) return members(reader, all, key, neighbour);
    return wrong(reader, "there is no setting `%s`; there are `networks` and `neighbours`", key);
}

// Reads the settings; false, and why, if they make no sense.
static bool read_geography(geography_t *all, const char *text, size_t length, char why[160]) {
    reader_t reader = {text, text + length, why};
    memset(all, 0, sizeof *all);
    if (!members(&reader, all, "settings", setting)) return false;
    blank(&reader);
    return reader.at == reader.end || wrong(&reader, "there is something behind the settings");
}

static bool holds(const network_t *network, const uint8_t address[16]) {
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    // What is shorter is a network of IPv6: `::/0` holds no IPv4.
    if (network->bits < 96 && memcmp(address, mapped, sizeof mapped) == 0) return false;
    if (memcmp(network->address, address, whole) != 0) return false;
    return rest == 0 || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

// The region of an address, by the longest network that holds it.
static uint8_t region_of(const geography_t *all, const uint8_t *text, size_t length) {
    char copy[NAME];
    uint8_t address[16];
    const network_t *best = NULL;
    if (length >= sizeof copy) return NOWHERE;
    memcpy(copy, text, length);
    copy[length] = 0;
    if (!address_of(copy, address)) return NOWHERE;
    for (uint16_t at = 0; at < all->count; at++) {
        const network_t *next = &all->networks[at];
        if ((!best || next->bits > best->bits) && holds(next, address)) best = next;
    }
    return best ? best->region : NOWHERE;
}
