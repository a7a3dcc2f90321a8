// Runs natively, without Wasm: cc -Ibindings -o test_plugin test_plugin.c && ./test_plugin
// What the plugin asks of the host, and what the generated bindings would do, is made up here.
#include "plugin.c"
#include <assert.h>
#include <stdio.h>

static const char *cookie;
static uint32_t tried;

bool trimtab_plugin_request_cookie(plugin_string_t *name, plugin_string_t *ret) {
    ret->ptr = (uint8_t *)cookie;
    ret->len = cookie ? strlen(cookie) : 0;
    return cookie != NULL;
}
bool trimtab_plugin_request_tried(uint32_t backend) { return tried >> backend & 1; }
void plugin_string_free(plugin_string_t *ret) {}
void plugin_string_dup(plugin_string_t *ret, const char *s) { *ret = (plugin_string_t){(uint8_t *)s, strlen(s)}; }
void plugin_list_u32_free(plugin_list_u32_t *ptr) {}
void exports_trimtab_plugin_affinity_instance_free(exports_trimtab_plugin_affinity_instance_t *ptr) {}
void exports_trimtab_plugin_affinity_list_backend_free(exports_trimtab_plugin_affinity_list_backend_t *ptr) {}
void exports_trimtab_plugin_affinity_list_readiness_free(exports_trimtab_plugin_affinity_list_readiness_t *ptr) {}

// The position that is found, or -1.
static int find(const char *sent) {
    exports_trimtab_plugin_affinity_moment_t moment = {0};
    exports_trimtab_plugin_affinity_verdict_t verdict;
    cookie = sent;
    exports_trimtab_plugin_affinity_find(&moment, &verdict);
    return verdict.tag == TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND ? (int)verdict.val.backend : -1;
}

// Whether the response of this backend has this value of `set-cookie`; NULL: none.
static bool sets(uint32_t backend, uint32_t *found, const char *value) {
    exports_trimtab_plugin_affinity_moment_t moment = {0};
    plugin_list_tuple2_string_string_t headers;
    exports_trimtab_plugin_affinity_bind(&moment, backend, found, &headers);
    if (value == NULL || headers.len != 1) return value == NULL && headers.len == 0;
    plugin_string_t name = headers.ptr->f0, set = headers.ptr->f1;
    bool is_named = name.len == 10 && memcmp(name.ptr, "set-cookie", 10) == 0;
    bool is_same = is_named && set.len == strlen(value) && memcmp(set.ptr, value, set.len) == 0;
    free(set.ptr);
    free(headers.ptr);
    return is_same;
}

int main(void) {
    exports_trimtab_plugin_affinity_backend_t rows[] = {
        {.id = {(uint8_t *)"b1", 2}},
        {.id = {(uint8_t *)"b2", 2}},
    };
    exports_trimtab_plugin_affinity_list_backend_t backends = {rows, 2};
    assert(find("b1") == -1);
    exports_trimtab_plugin_affinity_update(&backends);
    assert(find(NULL) == -1 && find("b1") == 0 && find("b2") == 1 && find("b") == -1 && find("") == -1);
    assert(sets(1, NULL, "backend=b2; Path=/; HttpOnly; SameSite=Lax"));
    assert(sets(1, &(uint32_t){1}, NULL) && sets(0, &(uint32_t){1}, "backend=b1; Path=/; HttpOnly; SameSite=Lax"));
    tried = 1 << 1;
    assert(find("b2") == -1);
    tried = 0;
    uint32_t weights[] = {1, 1};
    uint8_t readiness[] = {TRIMTAB_PLUGIN_TYPES_READINESS_DOWN, TRIMTAB_PLUGIN_TYPES_READINESS_DRAINING};
    exports_trimtab_plugin_affinity_adjust(&(plugin_list_u32_t){weights, 2},
                                           &(exports_trimtab_plugin_affinity_list_readiness_t){readiness, 2});
    assert(find("b1") == -1 && find("b2") == 1);
    puts("ok");
}
