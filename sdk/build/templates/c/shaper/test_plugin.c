// Runs natively, without Wasm: cc -Ibindings -o test_plugin test_plugin.c && ./test_plugin
// What the generated bindings would do is made up here.
#include "plugin.c"
#include <assert.h>
#include <stdio.h>

void plugin_string_free(plugin_string_t *ret) {}
void exports_trimtab_plugin_shaper_instance_free(exports_trimtab_plugin_shaper_instance_t *ptr) {}
void exports_trimtab_plugin_shaper_list_backend_free(exports_trimtab_plugin_shaper_list_backend_t *ptr) {}

int main(void) {
    plugin_tuple2_string_string_t canary[] = {
        {{(uint8_t *)"area", 4}, {(uint8_t *)"a", 1}},
        {{(uint8_t *)"canary", 6}, {(uint8_t *)"yes", 3}},
    };
    exports_trimtab_plugin_shaper_backend_t rows[] = {
        {.weight = 10, .labels = {canary, 1}},
        {.weight = 10, .labels = {canary, 2}},
        {.weight = 5, .labels = {canary, 2}},
        {.weight = 0, .labels = {canary, 2}},
    };
    plugin_list_u32_t weights;
    exports_trimtab_plugin_shaper_shape(&(exports_trimtab_plugin_shaper_list_backend_t){rows, 4}, &weights);
    assert(weights.len == 4);
    assert(weights.ptr[0] == 10 && weights.ptr[1] == 5 && weights.ptr[2] == 3 && weights.ptr[3] == 0);
    free(weights.ptr);
    exports_trimtab_plugin_shaper_shape(&(exports_trimtab_plugin_shaper_list_backend_t){NULL, 0}, &weights);
    assert(weights.len == 0);
    free(weights.ptr);
    puts("ok");
}
