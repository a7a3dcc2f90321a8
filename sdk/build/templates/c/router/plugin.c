// A request with the header `x-pool: NAME` goes to that pool, if it is one of the route's; any other to the route's own.
#include "plugin.h"
#include <string.h>

// The names of the pools: they are ours.
static plugin_list_string_t names;

bool exports_trimtab_plugin_router_configure(plugin_string_t *settings,
                                             exports_trimtab_plugin_router_instance_t *instance,
                                             plugin_list_string_t *pools, exports_trimtab_plugin_router_plan_t *ret,
                                             plugin_string_t *err) {
    bool has_none = settings->len == 2; // {}
    plugin_string_free(settings);
    exports_trimtab_plugin_router_instance_free(instance);
    names = *pools;
    if (!has_none) plugin_string_dup(err, "there are no settings");
    memset(ret, 0, has_none ? sizeof *ret : 0);
    return has_none;
}

void exports_trimtab_plugin_router_route(exports_trimtab_plugin_router_moment_t *moment,
                                         exports_trimtab_plugin_router_destination_t *ret) {
    plugin_string_t name = {(uint8_t *)"x-pool", 6}, wanted;
    ret->tag = EXPORTS_TRIMTAB_PLUGIN_ROUTER_DESTINATION_PASS;
    if (!trimtab_plugin_request_header(&name, &wanted)) return;
    for (uint32_t pool = 0; pool < names.len; pool++) {
        if (names.ptr[pool].len != wanted.len || memcmp(names.ptr[pool].ptr, wanted.ptr, wanted.len) != 0) continue;
        ret->tag = EXPORTS_TRIMTAB_PLUGIN_ROUTER_DESTINATION_POOL;
        ret->val.pool = pool;
        break;
    }
    plugin_string_free(&wanted);
}
