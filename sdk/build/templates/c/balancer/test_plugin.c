// Runs natively, without Wasm: cc -Ibindings -o test_plugin test_plugin.c && ./test_plugin
// What the plugin asks of the host, and what the generated bindings would do, is made up here.
#include "plugin.c"
#include <assert.h>
#include <stdio.h>

static const char *header;
static uint32_t tried;

bool trimtab_plugin_request_header(plugin_string_t *name, plugin_string_t *ret) {
    ret->ptr = (uint8_t *)header;
    ret->len = header ? strlen(header) : 0;
    return header != NULL;
}
bool trimtab_plugin_request_tried(uint32_t backend) { return tried >> backend & 1; }
void plugin_string_free(plugin_string_t *ret) {}
void plugin_string_dup(plugin_string_t *ret, const char *s) { *ret = (plugin_string_t){(uint8_t *)s, strlen(s)}; }
void plugin_list_u32_free(plugin_list_u32_t *ptr) {}
void exports_trimtab_plugin_balancer_instance_free(exports_trimtab_plugin_balancer_instance_t *ptr) {}
void exports_trimtab_plugin_balancer_list_backend_free(exports_trimtab_plugin_balancer_list_backend_t *ptr) {}
void exports_trimtab_plugin_balancer_list_readiness_free(exports_trimtab_plugin_balancer_list_readiness_t *ptr) {}

// The position that is picked, or -1.
static int pick(uint64_t random) {
    exports_trimtab_plugin_balancer_moment_t moment = {.random = random};
    exports_trimtab_plugin_balancer_verdict_t verdict;
    exports_trimtab_plugin_balancer_pick(&moment, &verdict);
    return verdict.tag == TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND ? (int)verdict.val.backend : -1;
}

int main(void) {
    exports_trimtab_plugin_balancer_backend_t rows[] = {
        {.id = {(uint8_t *)"b1", 2}, .weight = 1},
        {.id = {(uint8_t *)"b2", 2}, .weight = 1},
        {.id = {(uint8_t *)"b3", 2}, .weight = 1},
    };
    exports_trimtab_plugin_balancer_list_backend_t backends = {rows, 3};
    assert(pick(0) == -1);
    exports_trimtab_plugin_balancer_update(&backends);
    assert(pick(0) == 0 && pick(UINT64_MAX) == 2);
    header = "b2";
    assert(pick(0) == 1 && pick(UINT64_MAX) == 1);
    tried = 1 << 1;
    assert(pick(0) == 0);
    uint8_t readiness[] = {TRIMTAB_PLUGIN_TYPES_READINESS_DOWN, READY, READY};
    uint32_t weights[] = {1, 1, 1};
    exports_trimtab_plugin_balancer_adjust(&(plugin_list_u32_t){weights, 3},
                                           &(exports_trimtab_plugin_balancer_list_readiness_t){readiness, 3});
    assert(pick(0) == 2);
    tried = 7;
    assert(pick(0) == -1);
    puts("ok");
}
