// Runs natively, without Wasm: cc -Ibindings -o test_plugin test_plugin.c && ./test_plugin
// What the plugin asks of the host, and what the generated bindings would do, is made up here.
#include "plugin.c"
#include <assert.h>
#include <stdio.h>

static const char *header;
static plugin_string_t pools[] = {{(uint8_t *)"web", 3}, {(uint8_t *)"next", 4}};

bool trimtab_plugin_request_header(plugin_string_t *name, plugin_string_t *ret) {
    ret->ptr = (uint8_t *)header;
    ret->len = header ? strlen(header) : 0;
    return header != NULL;
}
void plugin_string_free(plugin_string_t *ret) {}
void plugin_string_dup(plugin_string_t *ret, const char *s) { *ret = (plugin_string_t){(uint8_t *)s, strlen(s)}; }
void exports_trimtab_plugin_router_instance_free(exports_trimtab_plugin_router_instance_t *ptr) {}

static bool configure(const char *text) {
    plugin_string_t settings, error;
    exports_trimtab_plugin_router_instance_t instance = {0};
    exports_trimtab_plugin_router_plan_t plan;
    plugin_list_string_t list = {pools, 2};
    plugin_string_dup(&settings, text);
    return exports_trimtab_plugin_router_configure(&settings, &instance, &list, &plan, &error);
}

// The position of the pool, or -1 for the route's own.
static int route(const char *sent) {
    exports_trimtab_plugin_router_moment_t moment = {0};
    exports_trimtab_plugin_router_destination_t destination;
    header = sent;
    exports_trimtab_plugin_router_route(&moment, &destination);
    return destination.tag == EXPORTS_TRIMTAB_PLUGIN_ROUTER_DESTINATION_POOL ? (int)destination.val.pool : -1;
}

int main(void) {
    assert(!configure("{\"header\":\"x\"}") && configure("{}"));
    assert(route("web") == 0 && route("next") == 1);
    assert(route(NULL) == -1 && route("") == -1 && route("nex") == -1 && route("other") == -1);
    puts("ok");
}
