//! Consistent hashing with bounded loads: a key belongs to a backend, and goes to the next on the ring while that has more than
//! its share of what is in flight.
const std = @import("std");
const c = @import("bindings/c.zig");
const ring = @import("ring.zig");

const allocator = std.heap.c_allocator;

const Settings = struct { epsilon: f64 = 0.25 };

var settings_now: Settings = .{};
/// The table as it was last told: it is ours, with all that is in it.
var table: c.exports_trimtab_plugin_balancer_list_backend_t = .{ .ptr = null, .len = 0 };
var points: []ring.Point = &.{};

export fn exports_trimtab_plugin_balancer_configure(
    settings: *c.plugin_string_t,
    instance: *c.exports_trimtab_plugin_balancer_instance_t,
    plan: *c.exports_trimtab_plugin_balancer_plan_t,
    err: *c.plugin_string_t,
) bool {
    defer c.plugin_string_free(settings);
    defer c.exports_trimtab_plugin_balancer_instance_free(instance);
    const parsed = std.json.parseFromSlice(Settings, allocator, settings.ptr[0..settings.len], .{}) catch |wrong| {
        c.plugin_string_dup(err, switch (wrong) {
            error.UnknownField => "there is only the setting `epsilon`",
            else => "`epsilon` has to be a number",
        });
        return false;
    };
    defer parsed.deinit();
    settings_now = parsed.value;
    if (!(settings_now.epsilon > 0 and settings_now.epsilon <= 100)) {
        c.plugin_string_dup(err, "`epsilon` has to be above 0, and at most 100");
        return false;
    }
    plan.* = std.mem.zeroes(c.exports_trimtab_plugin_balancer_plan_t);
    return true;
}

export fn exports_trimtab_plugin_balancer_update(backends: *c.exports_trimtab_plugin_balancer_list_backend_t) void {
    c.exports_trimtab_plugin_balancer_list_backend_free(&table);
    allocator.free(points);
    points = &.{};
    table = backends.*;
    const ids = allocator.alloc([]const u8, table.len) catch @panic("no memory for ids");
    defer allocator.free(ids);
    for (ids, 0..) |*id, i| id.* = table.ptr[i].id.ptr[0..table.ptr[i].id.len];
    points = ring.build(allocator, ids) catch @panic("no memory for a ring");
}

export fn exports_trimtab_plugin_balancer_adjust(
    weights: *c.plugin_list_u32_t,
    readiness: *c.exports_trimtab_plugin_balancer_list_readiness_t,
) void {
    defer c.plugin_list_u32_free(weights);
    defer c.exports_trimtab_plugin_balancer_list_readiness_free(readiness);
    for (0..table.len) |i| {
        table.ptr[i].weight = weights.ptr[i];
        table.ptr[i].readiness = readiness.ptr[i];
    }
}

fn may(index: u32, attempt: u32) bool {
    const backend = &table.ptr[index];
    const is_ready = backend.readiness == c.TRIMTAB_PLUGIN_TYPES_READINESS_READY;
    return backend.weight > 0 and is_ready and (attempt == 0 or !c.trimtab_plugin_request_tried(index));
}

export fn exports_trimtab_plugin_balancer_pick(
    moment: *c.exports_trimtab_plugin_balancer_moment_t,
    verdict: *c.exports_trimtab_plugin_balancer_verdict_t,
) void {
    verdict.tag = c.TRIMTAB_PLUGIN_TYPES_VERDICT_PASS;
    // Without a key it has no opinion.
    if (!moment.key.is_some or points.len == 0) return;
    var weights: u64 = 0;
    for (0..table.len) |i| {
        if (may(@intCast(i), 0)) weights += table.ptr[i].weight;
    }
    if (weights == 0) return;
    const in_flight = c.trimtab_plugin_load_in_flight_total();
    const start = ring.first(points, moment.key.val);
    for (0..points.len) |step| {
        const index = points[(start + step) % points.len].backend;
        if (!may(index, moment.attempt)) continue;
        // The first that may is the one if all are full, which only what was tried makes possible.
        const is_first = verdict.tag == c.TRIMTAB_PLUGIN_TYPES_VERDICT_PASS;
        const has_room = c.trimtab_plugin_load_in_flight(index) <
            ring.bound(settings_now.epsilon, in_flight, table.ptr[index].weight, weights);
        if (is_first or has_room) {
            verdict.tag = c.TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND;
            verdict.val.backend = index;
        }
        if (has_room) return;
    }
}
