// A backend with the label `canary` has half its weight, rounded up, in the eyes of the balancer behind it.
#include "plugin.h"
#include <stdlib.h>
#include <string.h>

// The settings have `process` in them, as those of any shaper: this one does not need it.
bool exports_trimtab_plugin_shaper_configure(plugin_string_t *settings,
                                             exports_trimtab_plugin_shaper_instance_t *instance,
                                             plugin_string_t *err) {
    plugin_string_free(settings);
    exports_trimtab_plugin_shaper_instance_free(instance);
    return true;
}

static bool is_canary(exports_trimtab_plugin_shaper_backend_t *backend) {
    for (size_t i = 0; i < backend->labels.len; i++) {
        plugin_string_t key = backend->labels.ptr[i].f0;
        if (key.len == 6 && memcmp(key.ptr, "canary", 6) == 0) return true;
    }
    return false;
}

void exports_trimtab_plugin_shaper_shape(exports_trimtab_plugin_shaper_list_backend_t *backends,
                                         plugin_list_u32_t *ret) {
    ret->len = backends->len;
    ret->ptr = malloc(ret->len * sizeof *ret->ptr);
    if (ret->ptr == NULL && ret->len > 0) abort();
    for (size_t i = 0; i < backends->len; i++) {
        uint32_t weight = backends->ptr[i].weight;
        ret->ptr[i] = is_canary(&backends->ptr[i]) ? (weight + 1) / 2 : weight;
    }
    exports_trimtab_plugin_shaper_list_backend_free(backends);
}
