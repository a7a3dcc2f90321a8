//! Runs natively, without Wasm: zig test -lc test_plugin.zig
//! What the plugin asks of the host, and what the generated bindings would do, is made up here.
const std = @import("std");
const c = @import("bindings/c.zig");
const expectEqual = std.testing.expectEqual;

comptime {
    _ = @import("plugin.zig");
}

var header: ?[:0]const u8 = null;

export fn trimtab_plugin_request_header(_: *c.plugin_string_t, ret: *c.plugin_string_t) bool {
    if (header) |value| ret.* = string(value);
    return header != null;
}
export fn plugin_string_set(ret: *c.plugin_string_t, s: [*:0]const u8) void {
    ret.* = string(std.mem.span(s));
}
export fn plugin_string_dup(ret: *c.plugin_string_t, s: [*:0]const u8) void {
    ret.* = string(std.mem.span(s));
}
export fn plugin_string_free(_: *c.plugin_string_t) void {}
export fn exports_trimtab_plugin_router_instance_free(_: *c.exports_trimtab_plugin_router_instance_t) void {}

fn string(text: [:0]const u8) c.plugin_string_t {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

fn configure(text: [:0]const u8, pools: []c.plugin_string_t) bool {
    var settings = string(text);
    var instance = std.mem.zeroes(c.exports_trimtab_plugin_router_instance_t);
    var names: c.plugin_list_string_t = .{ .ptr = pools.ptr, .len = pools.len };
    var plan: c.exports_trimtab_plugin_router_plan_t = undefined;
    var err: c.plugin_string_t = undefined;
    return c.exports_trimtab_plugin_router_configure(&settings, &instance, &names, &plan, &err);
}

/// The position of the pool that a request with this header goes to, if not to the route's own.
fn route(sent: ?[:0]const u8) ?u32 {
    header = sent;
    var moment = std.mem.zeroes(c.exports_trimtab_plugin_router_moment_t);
    var destination: c.exports_trimtab_plugin_router_destination_t = undefined;
    c.exports_trimtab_plugin_router_route(&moment, &destination);
    return if (destination.tag == c.EXPORTS_TRIMTAB_PLUGIN_ROUTER_DESTINATION_POOL) destination.val.pool else null;
}

test "the header names the pool" {
    var pools = [_]c.plugin_string_t{ string("web"), string("next") };
    try expectEqual(false, configure("{\"header\":\"x\"}", &pools));
    try expectEqual(true, configure("{}", &pools));
    try expectEqual(0, route("web"));
    try expectEqual(1, route("next"));
    for ([_]?[:0]const u8{ null, "", "nex", "other" }) |sent| try expectEqual(null, route(sent));
}
