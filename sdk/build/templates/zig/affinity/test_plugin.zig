//! Runs natively, without Wasm: zig test -lc test_plugin.zig
//! What the plugin asks of the host, and what the generated bindings would do, is made up here.
const std = @import("std");
const c = @import("bindings/c.zig");
const expectEqual = std.testing.expectEqual;

comptime {
    _ = @import("plugin.zig");
}

const draining = c.TRIMTAB_PLUGIN_TYPES_READINESS_DRAINING;
const down = c.TRIMTAB_PLUGIN_TYPES_READINESS_DOWN;

var cookie: ?[:0]const u8 = null;
var tried: u32 = 0;

export fn trimtab_plugin_request_cookie(_: *c.plugin_string_t, ret: *c.plugin_string_t) bool {
    if (cookie) |value| ret.* = string(value);
    return cookie != null;
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
export fn exports_trimtab_plugin_affinity_instance_free(_: *c.exports_trimtab_plugin_affinity_instance_t) void {}
export fn exports_trimtab_plugin_affinity_list_backend_free(_: *c.exports_trimtab_plugin_affinity_list_backend_t) void {}
export fn exports_trimtab_plugin_affinity_list_readiness_free(_: *c.exports_trimtab_plugin_affinity_list_readiness_t) void {}

fn string(text: [:0]const u8) c.plugin_string_t {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

/// The position that is found for a request with this cookie.
fn find(sent: ?[:0]const u8) ?u32 {
    cookie = sent;
    var moment = std.mem.zeroes(c.exports_trimtab_plugin_affinity_moment_t);
    var verdict: c.exports_trimtab_plugin_affinity_verdict_t = undefined;
    c.exports_trimtab_plugin_affinity_find(&moment, &verdict);
    return if (verdict.tag == c.TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND) verdict.val.backend else null;
}

/// Expects that the response of this backend sets this cookie, or none.
fn expectSet(expected: ?[]const u8, backend: u32, found: ?u32) !void {
    var moment = std.mem.zeroes(c.exports_trimtab_plugin_affinity_moment_t);
    var headers: c.plugin_list_tuple2_string_string_t = undefined;
    var at = found orelse 0;
    c.exports_trimtab_plugin_affinity_bind(&moment, backend, if (found == null) null else &at, &headers);
    const value = expected orelse return expectEqual(0, headers.len);
    try expectEqual(1, headers.len);
    const header = headers.ptr[0];
    defer std.c.free(headers.ptr);
    defer std.c.free(header.f1.ptr);
    try std.testing.expectEqualStrings("set-cookie", header.f0.ptr[0..header.f0.len]);
    try std.testing.expectEqualStrings(value, header.f1.ptr[0..header.f1.len]);
}

test "a client comes back, while its backend is there" {
    var rows = std.mem.zeroes([2]c.exports_trimtab_plugin_affinity_backend_t);
    rows[0].id = string("b1");
    rows[1].id = string("b2");
    var backends: c.exports_trimtab_plugin_affinity_list_backend_t = .{ .ptr = &rows, .len = rows.len };
    try expectEqual(null, find("b1"));
    c.exports_trimtab_plugin_affinity_update(&backends);
    try expectEqual(0, find("b1"));
    try expectEqual(1, find("b2"));
    for ([_]?[:0]const u8{ null, "", "b", "b9" }) |sent| try expectEqual(null, find(sent));
    try expectSet("backend=b2; Path=/; HttpOnly; SameSite=Lax", 1, null);
    try expectSet("backend=b1; Path=/; HttpOnly; SameSite=Lax", 0, 1);
    try expectSet(null, 1, 1);
    tried = 1 << 1;
    try expectEqual(null, find("b2"));
    tried = 0;
    var weights = [_]u32{ 1, 1 };
    var readiness = [_]u8{ down, draining };
    var all: c.plugin_list_u32_t = .{ .ptr = &weights, .len = weights.len };
    var now: c.exports_trimtab_plugin_affinity_list_readiness_t = .{ .ptr = &readiness, .len = readiness.len };
    c.exports_trimtab_plugin_affinity_adjust(&all, &now);
    try expectEqual(null, find("b1"));
    try expectEqual(1, find("b2"));
}
