//! Consistent hashing with bounded loads: a key belongs to a backend, and goes to the next on the ring while that has more than
//! its share of what is in flight.
const std = @import("std");
const c = @import("bindings/c.zig");
const ring = @import("ring.zig");

const allocator = std.heap.c_allocator;

/// Of any type: text that looks like a number would be taken for one.
const Settings = struct { epsilon: std.json.Value = .{ .float = 0.25 } };

var epsilon: f64 = 0.25;
/// The table as it was last told: it is ours, with all that is in it.
var table: c.exports_trimtab_plugin_balancer_list_backend_t = .{ .ptr = null, .len = 0 };
var points: []ring.Point = &.{};
/// Of those that are ready.
var weights_ready: u64 = 0;

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
            else => "settings have to be a table",
        });
        return false;
    };
    defer parsed.deinit();
    epsilon = switch (parsed.value.epsilon) {
        .float => |value| value,
        .integer => |value| @floatFromInt(value),
        else => {
            c.plugin_string_dup(err, "`epsilon` has to be a number");
            return false;
        },
    };
    if (!(epsilon > 0 and epsilon <= 100)) {
        c.plugin_string_dup(err, "`epsilon` has to be above 0, and at most 100");
        return false;
    }
    plan.* = std.mem.zeroes(c.exports_trimtab_plugin_balancer_plan_t);
    return true;
}

export fn exports_trimtab_plugin_balancer_update(backends: *c.exports_trimtab_plugin_balancer_list_backend_t) void {
    c.exports_trimtab_plugin_balancer_list_backend_free(&table);
    table = backends.*;
    place();
    count();
}

export fn exports_trimtab_plugin_balancer_adjust(
    weights: *c.plugin_list_u32_t,
    readiness: *c.exports_trimtab_plugin_balancer_list_readiness_t,
) void {
    defer c.plugin_list_u32_free(weights);
    defer c.exports_trimtab_plugin_balancer_list_readiness_free(readiness);
    var is_other = false;
    for (0..table.len) |i| {
        is_other = is_other or table.ptr[i].weight != weights.ptr[i];
        table.ptr[i].weight = weights.ptr[i];
        table.ptr[i].readiness = readiness.ptr[i];
    }
    // Who is not ready stays on the ring, and is passed over.
    if (is_other) place();
    count();
}

/// Puts the backends of the table on the ring.
fn place() void {
    allocator.free(points);
    points = &.{};
    const members = allocator.alloc(ring.Member, table.len) catch @panic("no memory for a ring");
    defer allocator.free(members);
    for (members, 0..) |*member, i| {
        const backend = &table.ptr[i];
        member.* = .{ .id = backend.id.ptr[0..backend.id.len], .weight = backend.weight };
    }
    points = ring.build(allocator, members) catch @panic("no memory for a ring");
}

fn count() void {
    weights_ready = 0;
    for (0..table.len) |i| {
        if (may(@intCast(i), 0)) weights_ready += table.ptr[i].weight;
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
    if (!moment.key.is_some or weights_ready == 0) return;
    const in_flight = c.trimtab_plugin_load_in_flight_total();
    const start = ring.first(points, moment.key.val);
    for (0..points.len) |step| {
        const index = points[(start + step) % points.len].backend;
        if (!may(index, moment.attempt)) continue;
        // The first that may is the one if all are full, which only what was tried makes possible.
        const is_first = verdict.tag == c.TRIMTAB_PLUGIN_TYPES_VERDICT_PASS;
        const has_room = c.trimtab_plugin_load_in_flight(index) <
            ring.bound(epsilon, in_flight, table.ptr[index].weight, weights_ready);
        if (is_first or has_room) {
            verdict.tag = c.TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND;
            verdict.val.backend = index;
        }
        if (has_room) return;
    }
}
