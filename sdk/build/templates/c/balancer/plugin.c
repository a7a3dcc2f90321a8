// A request with the header `x-backend: ID` goes to that backend, any other to a random one.
#include "plugin.h"
#include <string.h>

#define READY TRIMTAB_PLUGIN_TYPES_READINESS_READY

// The table as it was last told: it is ours, with all that is in it.
static exports_trimtab_plugin_balancer_list_backend_t table;

bool exports_trimtab_plugin_balancer_configure(plugin_string_t *settings,
                                               exports_trimtab_plugin_balancer_instance_t *instance,
                                               exports_trimtab_plugin_balancer_plan_t *ret, plugin_string_t *err) {
    bool has_none = settings->len == 2; // {}
    plugin_string_free(settings);
    exports_trimtab_plugin_balancer_instance_free(instance);
    if (!has_none) plugin_string_dup(err, "there are no settings");
    memset(ret, 0, has_none ? sizeof *ret : 0);
    return has_none;
}

void exports_trimtab_plugin_balancer_update(exports_trimtab_plugin_balancer_list_backend_t *backends) {
    exports_trimtab_plugin_balancer_list_backend_free(&table);
    table = *backends;
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

static bool may(uint32_t index) {
    return table.ptr[index].weight > 0 && table.ptr[index].readiness == READY && !trimtab_plugin_request_tried(index);
}

void exports_trimtab_plugin_balancer_pick(exports_trimtab_plugin_balancer_moment_t *moment,
                                          exports_trimtab_plugin_balancer_verdict_t *ret) {
    plugin_string_t name = {(uint8_t *)"x-backend", 9}, wanted = {NULL, 0};
    bool is_named = trimtab_plugin_request_header(&name, &wanted);
    uint32_t start = (uint32_t)((moment->random >> 32) * table.len >> 32);
    ret->tag = TRIMTAB_PLUGIN_TYPES_VERDICT_PASS;
    for (uint32_t step = 0; step < table.len; step++) {
        uint32_t index = (start + step) % table.len;
        if (!may(index)) continue;
        plugin_string_t id = table.ptr[index].id;
        bool is_it = is_named && id.len == wanted.len && memcmp(id.ptr, wanted.ptr, id.len) == 0;
        if (ret->tag == TRIMTAB_PLUGIN_TYPES_VERDICT_PASS || is_it) {
            ret->tag = TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND;
            ret->val.backend = index;
        }
        if (is_it || !is_named) break;
    }
    if (is_named) plugin_string_free(&wanted);
}
