//! Runs natively, without Wasm: zig test -lc test_plugin.zig
//! What the plugin asks of the host, and what the generated bindings would do, is made up here.
const std = @import("std");
const c = @import("bindings/c.zig");
const expectEqual = std.testing.expectEqual;

comptime {
    _ = @import("plugin.zig");
}

const ready = c.TRIMTAB_PLUGIN_TYPES_READINESS_READY;
const down = c.TRIMTAB_PLUGIN_TYPES_READINESS_DOWN;

var header: ?[:0]const u8 = null;
var tried: u32 = 0;

export fn trimtab_plugin_request_header(_: *c.plugin_string_t, ret: *c.plugin_string_t) bool {
    if (header) |value| ret.* = string(value);
    return header != null;
}
export fn trimtab_plugin_request_tried(backend: u32) bool {
    return tried >> @intCast(backend) & 1 == 1;
}
export fn plugin_string_set(ret: *c.plugin_string_t, s: [*:0]const u8) void {
    ret.* = string(std.mem.span(s));
}
export fn plugin_string_dup(ret: *c.plugin_string_t, s: [*:0]const u8) void {
    ret.* = string(std.mem.span(s));
}
export fn plugin_string_free(_: *c.plugin_string_t) void {}
export fn plugin_list_u32_free(_: *c.plugin_list_u32_t) void {}
export fn exports_trimtab_plugin_balancer_instance_free(_: *c.exports_trimtab_plugin_balancer_instance_t) void {}
export fn exports_trimtab_plugin_balancer_list_backend_free(_: *c.exports_trimtab_plugin_balancer_list_backend_t) void {}
export fn exports_trimtab_plugin_balancer_list_readiness_free(_: *c.exports_trimtab_plugin_balancer_list_readiness_t) void {}

fn string(text: [:0]const u8) c.plugin_string_t {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

/// The position that is picked.
fn pick(random: u64) ?u32 {
    var moment = std.mem.zeroes(c.exports_trimtab_plugin_balancer_moment_t);
    moment.random = random;
    var verdict: c.exports_trimtab_plugin_balancer_verdict_t = undefined;
    c.exports_trimtab_plugin_balancer_pick(&moment, &verdict);
    return if (verdict.tag == c.TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND) verdict.val.backend else null;
}

test "the header names the backend, and what is not ready or was tried is not picked" {
    var rows = std.mem.zeroes([3]c.exports_trimtab_plugin_balancer_backend_t);
    for (&rows, [_][:0]const u8{ "b1", "b2", "b3" }) |*row, id| {
        row.id = string(id);
        row.weight = 1;
    }
    var backends: c.exports_trimtab_plugin_balancer_list_backend_t = .{ .ptr = &rows, .len = rows.len };
    try expectEqual(null, pick(0));
    c.exports_trimtab_plugin_balancer_update(&backends);
    try expectEqual(0, pick(0));
    try expectEqual(2, pick(std.math.maxInt(u64)));
    header = "b2";
    try expectEqual(1, pick(0));
    tried = 1 << 1;
    try expectEqual(0, pick(0));
    var weights = [_]u32{ 1, 1, 1 };
    var readiness = [_]u8{ down, ready, ready };
    var all: c.plugin_list_u32_t = .{ .ptr = &weights, .len = weights.len };
    var now: c.exports_trimtab_plugin_balancer_list_readiness_t = .{ .ptr = &readiness, .len = readiness.len };
    c.exports_trimtab_plugin_balancer_adjust(&all, &now);
    try expectEqual(2, pick(0));
    tried = 7;
    try expectEqual(null, pick(0));
}
