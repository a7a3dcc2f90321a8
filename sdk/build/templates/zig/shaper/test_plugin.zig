//! Runs natively, without Wasm: zig test -lc test_plugin.zig
//! What the generated bindings would do is made up here.
const std = @import("std");
const c = @import("bindings/c.zig");

comptime {
    _ = @import("plugin.zig");
}

export fn plugin_string_free(_: *c.plugin_string_t) void {}
export fn exports_trimtab_plugin_shaper_instance_free(_: *c.exports_trimtab_plugin_shaper_instance_t) void {}
export fn exports_trimtab_plugin_shaper_list_backend_free(_: *c.exports_trimtab_plugin_shaper_list_backend_t) void {}

fn string(text: [:0]const u8) c.plugin_string_t {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

fn expectWeights(expected: []const u32, rows: []c.exports_trimtab_plugin_shaper_backend_t) !void {
    var backends: c.exports_trimtab_plugin_shaper_list_backend_t = .{ .ptr = rows.ptr, .len = rows.len };
    var weights: c.plugin_list_u32_t = undefined;
    c.exports_trimtab_plugin_shaper_shape(&backends, &weights);
    defer std.c.free(weights.ptr);
    try std.testing.expectEqualSlices(u32, expected, weights.ptr[0..weights.len]);
}

test "a canary has half its weight" {
    var labels = [_]c.plugin_tuple2_string_string_t{
        .{ .f0 = string("area"), .f1 = string("a") },
        .{ .f0 = string("canary"), .f1 = string("yes") },
    };
    var rows = std.mem.zeroes([4]c.exports_trimtab_plugin_shaper_backend_t);
    for (&rows, [_]u32{ 10, 10, 5, 0 }, [_]usize{ 1, 2, 2, 2 }) |*row, weight, count| {
        row.weight = weight;
        row.labels = .{ .ptr = &labels, .len = count };
    }
    try expectWeights(&.{ 10, 5, 3, 0 }, &rows);
    try expectWeights(&.{}, rows[0..0]);
}
