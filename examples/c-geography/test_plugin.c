// Runs natively, without Wasm: cc -g -fsanitize=address,undefined -Ibindings -o test_plugin test_plugin.c && ./test_plugin
// What the plugin asks of the host, and what the generated bindings would do, is made up here.
#include "plugin.c"
#include <assert.h>

static const char *client;
static uint32_t tried;
static char why[160];

void trimtab_plugin_request_client_address(plugin_string_t *ret) {
    *ret = (plugin_string_t){(uint8_t *)client, strlen(client)};
}
bool trimtab_plugin_request_tried(uint32_t backend) { return tried >> backend & 1; }
void plugin_string_free(plugin_string_t *ret) { (void)ret; }
void plugin_string_dup(plugin_string_t *ret, const char *s) {
    (void)ret;
    strcpy(why, s);
}
void plugin_list_u32_free(plugin_list_u32_t *ptr) { (void)ptr; }
void exports_trimtab_plugin_balancer_instance_free(exports_trimtab_plugin_balancer_instance_t *ptr) { (void)ptr; }
void exports_trimtab_plugin_balancer_list_backend_free(exports_trimtab_plugin_balancer_list_backend_t *ptr) { (void)ptr; }
void exports_trimtab_plugin_balancer_list_readiness_free(exports_trimtab_plugin_balancer_list_readiness_t *ptr) { (void)ptr; }

// Whether the settings are taken. They have no zero behind them, as the host's have none.
static bool configure_with(const char *text, size_t length) {
    uint8_t *copy = malloc(length + 1 - (length > 0));
    if (length > 0) memcpy(copy, text, length);
    plugin_string_t settings = {copy, length}, err;
    exports_trimtab_plugin_balancer_instance_t instance;
    exports_trimtab_plugin_balancer_plan_t plan;
    bool fine = exports_trimtab_plugin_balancer_configure(&settings, &instance, &plan, &err);
    free(copy);
    return fine;
}

static void refused(const char *text, const char *reason) {
    assert(!configure_with(text, strlen(text)));
    if (!strstr(why, reason)) printf("%s: %s\n", text, why), abort();
}

// The position that is picked, or -1.
static int pick(const char *address, uint64_t random, uint32_t attempt) {
    exports_trimtab_plugin_balancer_moment_t moment = {.random = random, .attempt = attempt};
    exports_trimtab_plugin_balancer_verdict_t verdict;
    client = address;
    exports_trimtab_plugin_balancer_pick(&moment, &verdict);
    return verdict.tag == TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND ? (int)verdict.val.backend : -1;
}

static const char good[] = "{\"networks\": {\"10.0.0.0/8\": \"eu\", \"10.7.0.0/16\": \"asia\", \"2001:db8::/33\": \"us\", \"0.0.0.0/0\": \"us\"},\n"
                           " \"neighbours\": {\"eu\": [\"us\", \"asia\"], \"us\": []}}";

static void settings(void) {
    assert(configure_with("{}", 2) && configure_with(" { } ", 5));
    assert(configure_with(good, strlen(good)));
    refused("", "has to be a table");
    refused("{}x", "something behind");
    refused("{\"network\": {}}", "there is no setting `network`");
    refused("{\"networks\": 1}", "`networks` has to be a table");
    refused("{\"networks\": {\"10.0.0.0\": \"eu\"}}", "`10.0.0.0` of `networks` is no network");
    refused("{\"networks\": {\"10.0.0.0/33\": \"eu\"}}", "is no network");
    refused("{\"networks\": {\"10.0.0/8\": \"eu\"}}", "is no network");
    refused("{\"networks\": {\"::/129\": \"eu\"}}", "is no network");
    refused("{\"networks\": {\"10.0.0.0/8\": 7}}", "the region of `10.0.0.0/8` has to be text");
    refused("{\"neighbours\": {\"eu\": \"us\"}}", "the `neighbours` of `eu` have to be a list");
    refused("{\"neighbours\": {\"eu\": [1]}}", "a neighbour of `eu` has to be text");
    refused("{\"neighbours\": {\"\\u0065u\": []}}", "`neighbours` has a name with an escape");
    refused("{\"networks\": {\"10.0.0.0/8\": \"e\\\"u\"}}", "`10.0.0.0/8` has a name with an escape");
    refused("{\"neighbours\": {\"eu\": [\"a region with a name that is much longer than any that somebody would type\"]}}",
            "`eu` has a name of more than 63 bytes");
    // Whatever is cut off, and whatever is in its place, is refused and read no further than it goes.
    for (size_t length = 0; length < strlen(good); length++) assert(!configure_with(good, length));
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (int change = 0; change < 3; change++) {
            seed = seed * 1664525 + 1013904223;
            text[(seed >> 8) % (sizeof good - 1)] = (char)(seed >> 24);
        }
        configure_with(text, sizeof good - 1);
    }
}

static plugin_list_tuple2_string_string_t in(char *region) {
    plugin_tuple2_string_string_t *label = malloc(sizeof *label);
    *label = (plugin_tuple2_string_string_t){{(uint8_t *)"region", 6}, {(uint8_t *)region, strlen(region)}};
    return (plugin_list_tuple2_string_string_t){label, 1};
}

int main(void) {
    settings();
    assert(configure_with(good, strlen(good)));
    assert(pick("10.1.2.3", 0, 0) == -1);
    exports_trimtab_plugin_balancer_backend_t rows[] = {
        {.weight = 1, .labels = in("eu")}, {.weight = 1, .labels = in("us")}, {.weight = 1, .labels = in("asia")},
        {.weight = 1, .labels = in("eu")}, {.weight = 1, .labels = in("moon")},
    };
    exports_trimtab_plugin_balancer_list_backend_t backends = {rows, 5};
    exports_trimtab_plugin_balancer_update(&backends);
    assert(pick("10.1.2.3", 0, 0) == 0 && pick("10.1.2.3", UINT64_MAX, 0) == 3);
    assert(pick("10.7.2.3", 0, 0) == 2 && pick("10.7.2.3", UINT64_MAX, 0) == 2);
    assert(pick("2001:db8:7fff::1", 0, 0) == 1 && pick("192.0.2.1", 0, 0) == 1);
    assert(pick("::ffff:10.7.0.1", 0, 0) == 2);
    // Nobody's network, or no address at all: anybody.
    assert(pick("2001:db8:8000::1", 0, 0) == 0 && pick("2001:db8:8000::1", UINT64_MAX, 0) == 4);
    assert(pick("", UINT64_MAX, 0) == 4);
    tried = 1 << 0 | 1 << 3;
    assert(pick("10.1.2.3", 0, 1) == 1);
    tried |= 1 << 1;
    assert(pick("10.1.2.3", 0, 2) == 2);
    tried |= 1 << 2;
    assert(pick("10.1.2.3", 0, 3) == 4);
    tried |= 1 << 4;
    assert(pick("10.1.2.3", 0, 4) == -1);
    // Three quarters of those of a region go to three quarters of its weight.
    rows[3].weight = 3;
    assert(pick("10.1.2.3", UINT64_MAX / 4, 0) == 0 && pick("10.1.2.3", UINT64_MAX / 4 + 1, 0) == 3);
    uint8_t readiness[] = {TRIMTAB_PLUGIN_TYPES_READINESS_DOWN, READY, READY, READY, READY};
    uint32_t weights[] = {1, 1, 1, 0, 1};
    exports_trimtab_plugin_balancer_adjust(&(plugin_list_u32_t){weights, 5},
                                           &(exports_trimtab_plugin_balancer_list_readiness_t){readiness, 5});
    assert(pick("10.1.2.3", 0, 0) == 1);
    // All of IPv6, and nobody else.
    const char *ipv6 = "{\"networks\": {\"::/0\": \"asia\", \"10.0.0.0/8\": \"us\"}}";
    assert(configure_with(ipv6, strlen(ipv6)));
    exports_trimtab_plugin_balancer_update(&(exports_trimtab_plugin_balancer_list_backend_t){rows, 5});
    assert(pick("2001:db8::1", UINT64_MAX, 0) == 2 && pick("10.1.2.3", UINT64_MAX, 0) == 1);
    assert(pick("192.0.2.1", UINT64_MAX, 0) == 4);
    for (int i = 0; i < 5; i++) free(rows[i].labels.ptr);
    free(regions);
    puts("ok");
}
