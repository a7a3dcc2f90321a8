// A client goes to a backend of its own region, else to one of a neighbour's, else to any.
#include "plugin.h"
#include "geography.h"

#define READY TRIMTAB_PLUGIN_TYPES_READINESS_READY

static geography_t geography;
// The table as it was last told: it is ours, with all that is in it. Of each backend, the region.
static exports_trimtab_plugin_balancer_list_backend_t table;
static uint8_t *regions;

bool exports_trimtab_plugin_balancer_configure(plugin_string_t *settings,
                                               exports_trimtab_plugin_balancer_instance_t *instance,
                                               exports_trimtab_plugin_balancer_plan_t *ret, plugin_string_t *err) {
    char why[160];
    bool fine = read_geography(&geography, (const char *)settings->ptr, settings->len, why);
    plugin_string_free(settings);
    exports_trimtab_plugin_balancer_instance_free(instance);
    if (fine) memset(ret, 0, sizeof *ret);
    else plugin_string_dup(err, why);
    return fine;
}

static uint8_t label(const exports_trimtab_plugin_balancer_backend_t *backend) {
    for (size_t i = 0; i < backend->labels.len; i++) {
        plugin_tuple2_string_string_t pair = backend->labels.ptr[i];
        if (pair.f0.len == 6 && memcmp(pair.f0.ptr, "region", 6) == 0)
            return region_named(&geography, pair.f1.ptr, pair.f1.len);
    }
    return NOWHERE;
}

void exports_trimtab_plugin_balancer_update(exports_trimtab_plugin_balancer_list_backend_t *backends) {
    exports_trimtab_plugin_balancer_list_backend_free(&table);
    table = *backends;
    free(regions);
    regions = malloc(table.len + 1);
    if (!regions) abort();
    for (size_t i = 0; i < table.len; i++) regions[i] = label(&table.ptr[i]);
}

void exports_trimtab_plugin_balancer_adjust(plugin_list_u32_t *weights,
                                            exports_trimtab_plugin_balancer_list_readiness_t *readiness) {
    for (size_t i = 0; i < table.len; i++) {
        table.ptr[i].weight = weights->ptr[i];
        table.ptr[i].readiness = readiness->ptr[i];
    }
    plugin_list_u32_free(weights);
    exports_trimtab_plugin_balancer_list_readiness_free(readiness);
}

static bool may(size_t index, int region, uint32_t attempt) {
    const exports_trimtab_plugin_balancer_backend_t *backend = &table.ptr[index];
    if (backend->weight == 0 || backend->readiness != READY || (region >= 0 && regions[index] != region)) return false;
    return attempt == 0 || !trimtab_plugin_request_tried((uint32_t)index);
}

// One of this region at random, by weight, or of all if it is below 0; none: false.
static bool pick_of(int region, const exports_trimtab_plugin_balancer_moment_t *moment,
                    exports_trimtab_plugin_balancer_verdict_t *ret) {
    uint64_t weights = 0;
    for (size_t i = 0; i < table.len; i++)
        if (may(i, region, moment->attempt)) weights += table.ptr[i].weight;
    if (weights == 0) return false;
    uint64_t wanted = (uint64_t)((unsigned __int128)moment->random * weights >> 64);
    for (size_t i = 0; i < table.len; i++) {
        if (!may(i, region, moment->attempt)) continue;
        if (wanted >= table.ptr[i].weight) {
            wanted -= table.ptr[i].weight;
            continue;
        }
        ret->tag = TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND;
        ret->val.backend = (uint32_t)i;
        return true;
    }
    return false;
}

void exports_trimtab_plugin_balancer_pick(exports_trimtab_plugin_balancer_moment_t *moment,
                                          exports_trimtab_plugin_balancer_verdict_t *ret) {
    plugin_string_t address;
    trimtab_plugin_request_client_address(&address);
    uint8_t home = region_of(&geography, address.ptr, address.len);
    plugin_string_free(&address);
    ret->tag = TRIMTAB_PLUGIN_TYPES_VERDICT_PASS;
    if (home != NOWHERE) {
        if (pick_of(home, moment, ret)) return;
        for (uint8_t i = 0; i < geography.near[home]; i++)
            if (pick_of(geography.neighbours[home][i], moment, ret)) return;
    }
    pick_of(-1, moment, ret);
}
