// The cookie `backend` has the id of the backend that answered: a request with it goes there again.
#include "plugin.h"
#include <stdlib.h>
#include <string.h>

#define START "backend="
#define END "; Path=/; HttpOnly; SameSite=Lax"

// The table as it was last told: it is ours, with all that is in it.
static exports_trimtab_plugin_affinity_list_backend_t table;

// The settings have `secret` in them, as those of any affinity: this one does not need it.
bool exports_trimtab_plugin_affinity_configure(plugin_string_t *settings,
                                               exports_trimtab_plugin_affinity_instance_t *instance,
                                               exports_trimtab_plugin_affinity_plan_t *ret, plugin_string_t *err) {
    plugin_string_free(settings);
    exports_trimtab_plugin_affinity_instance_free(instance);
    memset(ret, 0, sizeof *ret);
    return true;
}

void exports_trimtab_plugin_affinity_update(exports_trimtab_plugin_affinity_list_backend_t *backends) {
    exports_trimtab_plugin_affinity_list_backend_free(&table);
    table = *backends;
}

void exports_trimtab_plugin_affinity_adjust(plugin_list_u32_t *weights,
                                            exports_trimtab_plugin_affinity_list_readiness_t *readiness) {
    for (size_t i = 0; i < table.len; i++) table.ptr[i].readiness = readiness->ptr[i];
    plugin_list_u32_free(weights);
    exports_trimtab_plugin_affinity_list_readiness_free(readiness);
}

void exports_trimtab_plugin_affinity_find(exports_trimtab_plugin_affinity_moment_t *moment,
                                          exports_trimtab_plugin_affinity_verdict_t *ret) {
    plugin_string_t name = {(uint8_t *)"backend", 7}, bound;
    ret->tag = TRIMTAB_PLUGIN_TYPES_VERDICT_PASS;
    if (!trimtab_plugin_request_cookie(&name, &bound)) return;
    for (uint32_t index = 0; index < table.len; index++) {
        exports_trimtab_plugin_affinity_backend_t *backend = &table.ptr[index];
        bool is_it = backend->id.len == bound.len && memcmp(backend->id.ptr, bound.ptr, bound.len) == 0;
        bool is_there = backend->readiness != TRIMTAB_PLUGIN_TYPES_READINESS_DOWN;
        if (!is_it || !is_there || trimtab_plugin_request_tried(index)) continue;
        ret->tag = TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND;
        ret->val.backend = index;
        break;
    }
    plugin_string_free(&bound);
}

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) abort();
    return memory;
}

void exports_trimtab_plugin_affinity_bind(exports_trimtab_plugin_affinity_moment_t *moment,
                                          exports_trimtab_plugin_affinity_index_t backend,
                                          exports_trimtab_plugin_affinity_index_t *found,
                                          plugin_list_tuple2_string_string_t *ret) {
    ret->len = 0;
    if (backend >= table.len || (found != NULL && *found == backend)) return;
    plugin_string_t id = table.ptr[backend].id;
    size_t start = strlen(START), end = strlen(END);
    ret->len = 1;
    ret->ptr = allocate(sizeof *ret->ptr);
    plugin_string_dup(&ret->ptr->f0, "set-cookie");
    ret->ptr->f1 = (plugin_string_t){allocate(start + id.len + end), start + id.len + end};
    memcpy(ret->ptr->f1.ptr, START, start);
    memcpy(ret->ptr->f1.ptr + start, id.ptr, id.len);
    memcpy(ret->ptr->f1.ptr + start + id.len, END, end);
}
