//! Runs natively, without Wasm: zig test -lc test_plugin.zig
//! What the plugin asks of the host, and what the generated bindings would do, is made up here.
const std = @import("std");
const c = @import("bindings/c.zig");
const expectEqual = std.testing.expectEqual;

comptime {
    _ = @import("plugin.zig");
    _ = @import("ring.zig");
}

var tried: u32 = 0;
var running: [3]u32 = .{ 0, 0, 0 };
var why: []const u8 = "";

export fn trimtab_plugin_request_tried(backend: u32) bool {
    return tried >> @intCast(backend) & 1 == 1;
}
export fn trimtab_plugin_load_in_flight(backend: u32) u32 {
    return running[backend];
}
export fn trimtab_plugin_load_in_flight_total() u32 {
    return running[0] + running[1] + running[2];
}
export fn plugin_string_dup(_: *c.plugin_string_t, s: [*:0]const u8) void {
    why = std.mem.span(s);
}
export fn plugin_string_free(_: *c.plugin_string_t) void {}
export fn plugin_list_u32_free(_: *c.plugin_list_u32_t) void {}
export fn exports_trimtab_plugin_balancer_instance_free(_: *c.exports_trimtab_plugin_balancer_instance_t) void {}
export fn exports_trimtab_plugin_balancer_list_backend_free(_: *c.exports_trimtab_plugin_balancer_list_backend_t) void {}
export fn exports_trimtab_plugin_balancer_list_readiness_free(_: *c.exports_trimtab_plugin_balancer_list_readiness_t) void {}

fn string(text: []const u8) c.plugin_string_t {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

fn configure(text: []const u8) bool {
    var settings = string(text);
    var instance: c.exports_trimtab_plugin_balancer_instance_t = undefined;
    var plan: c.exports_trimtab_plugin_balancer_plan_t = undefined;
    var err: c.plugin_string_t = undefined;
    return c.exports_trimtab_plugin_balancer_configure(&settings, &instance, &plan, &err);
}

fn pick(key: ?u64, attempt: u32) ?u32 {
    var moment = std.mem.zeroes(c.exports_trimtab_plugin_balancer_moment_t);
    moment.attempt = attempt;
    if (key) |value| moment.key = .{ .is_some = true, .val = value };
    var verdict: c.exports_trimtab_plugin_balancer_verdict_t = undefined;
    c.exports_trimtab_plugin_balancer_pick(&moment, &verdict);
    return if (verdict.tag == c.TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND) verdict.val.backend else null;
}

var rows = std.mem.zeroes([3]c.exports_trimtab_plugin_balancer_backend_t);

fn update(weights: [3]u32) void {
    for (&rows, [_][]const u8{ "b1", "b2", "b3" }, weights) |*row, id, weight| {
        row.* = std.mem.zeroes(c.exports_trimtab_plugin_balancer_backend_t);
        row.id = string(id);
        row.weight = weight;
    }
    var backends: c.exports_trimtab_plugin_balancer_list_backend_t = .{ .ptr = &rows, .len = 3 };
    c.exports_trimtab_plugin_balancer_update(&backends);
}

fn adjust(to: [3]u32, down: ?u32) void {
    var weights = to;
    var readiness: [3]u8 = @splat(c.TRIMTAB_PLUGIN_TYPES_READINESS_READY);
    if (down) |index| readiness[index] = c.TRIMTAB_PLUGIN_TYPES_READINESS_DOWN;
    var new_weights: c.plugin_list_u32_t = .{ .ptr = &weights, .len = 3 };
    var new_readiness: c.exports_trimtab_plugin_balancer_list_readiness_t = .{ .ptr = &readiness, .len = 3 };
    c.exports_trimtab_plugin_balancer_adjust(&new_weights, &new_readiness);
}

test "what makes no sense is refused" {
    try std.testing.expect(configure("{}") and configure("{\"epsilon\": 0.5}"));
    for ([_][2][]const u8{
        .{ "{\"epsilon\": 0}", "`epsilon` has to be above 0, and at most 100" },
        .{ "{\"epsilon\": -0.5}", "`epsilon` has to be above 0, and at most 100" },
        .{ "{\"epsilon\": 101}", "`epsilon` has to be above 0, and at most 100" },
        .{ "{\"epsilon\": \"0.5\"}", "`epsilon` has to be a number" },
        .{ "{\"epsilon\": null}", "`epsilon` has to be a number" },
        .{ "[]", "settings have to be a table" },
        .{ "{\"epsylon\": 1}", "there is only the setting `epsilon`" },
    }) |case| {
        try std.testing.expect(!configure(case[0]));
        try std.testing.expectEqualStrings(case[1], why);
    }
}

test "a key stays while its backend has room, and goes to the next while it has not" {
    try std.testing.expect(configure("{\"epsilon\": 0.25}"));
    update(.{ 1, 1, 1 });
    try expectEqual(null, pick(null, 0));
    const home = pick(12345, 0).?;
    for (0..100) |_| try expectEqual(home, pick(12345, 0).?);
    // 30 in flight, of which it has half: the bound is 13. Of 24 it is 11.
    running = .{ 7, 7, 7 };
    running[home] = 16;
    const next = pick(12345, 0).?;
    try std.testing.expect(next != home);
    running[home] = 10;
    try expectEqual(home, pick(12345, 0).?);
    running = .{ 0, 0, 0 };
    tried = @as(u32, 1) << @intCast(home);
    try expectEqual(next, pick(12345, 1).?);
    tried = 7;
    try expectEqual(null, pick(12345, 1));
    tried = 0;
    adjust(.{ 1, 1, 1 }, home);
    try expectEqual(next, pick(12345, 0).?);
    // Without weight it is out as well, and comes back to the same keys.
    var weights = [3]u32{ 1, 1, 1 };
    weights[home] = 0;
    adjust(weights, null);
    try expectEqual(next, pick(12345, 0).?);
    adjust(.{ 0, 0, 0 }, null);
    try expectEqual(null, pick(12345, 0));
    adjust(.{ 1, 1, 1 }, null);
    try expectEqual(home, pick(12345, 0).?);
    // Other weights are other shares of keys, and back again.
    var shares: [2][3]u32 = @splat(@splat(0));
    for (&shares, [2][3]u32{ .{ 1, 1, 98 }, .{ 1, 1, 1 } }) |*share, changed| {
        adjust(changed, null);
        for (0..1_000) |number| share[pick(number << 54, 0).?] += 1;
    }
    try std.testing.expect(shares[0][2] > 900 and shares[1][2] < 500);
    try expectEqual(home, pick(12345, 0).?);
}

test "nobody has more than the bound, whatever is asked for" {
    try std.testing.expect(configure("{\"epsilon\": 0.1}"));
    const weights = [3]u32{ 1, 2, 5 };
    update(weights);
    defer running = .{ 0, 0, 0 };
    var random = std.Random.DefaultPrng.init(1);
    for (0..4_000) |_| {
        // Half of all ask for one key; now and then some are answered.
        const key = if (random.random().boolean()) 7 else random.random().int(u64);
        const picked = pick(key, 0).?;
        running[picked] += 1;
        const all: f64 = @floatFromInt(running[0] + running[1] + running[2]);
        const share = all * @as(f64, @floatFromInt(weights[picked])) / 8;
        try std.testing.expect(@as(f64, @floatFromInt(running[picked])) <= @ceil(1.1 * share));
        if (random.random().uintLessThan(u32, 50) == 0) {
            for (&running) |*count| count.* -= random.random().uintAtMost(u32, count.*);
        }
    }
}
