//! A request with the header `x-backend: ID` goes to that backend, any other to a random one.
const std = @import("std");
const c = @import("bindings/c.zig");

/// The table as it was last told: it is ours, with all that is in it.
var table: c.exports_trimtab_plugin_balancer_list_backend_t = .{ .ptr = null, .len = 0 };

export fn exports_trimtab_plugin_balancer_configure(
    settings: *c.plugin_string_t,
    instance: *c.exports_trimtab_plugin_balancer_instance_t,
    plan: *c.exports_trimtab_plugin_balancer_plan_t,
    err: *c.plugin_string_t,
) bool {
    defer c.plugin_string_free(settings);
    defer c.exports_trimtab_plugin_balancer_instance_free(instance);
    if (settings.len != 2) { // {}
        c.plugin_string_dup(err, "there are no settings");
        return false;
    }
    plan.* = std.mem.zeroes(c.exports_trimtab_plugin_balancer_plan_t);
    return true;
}

export fn exports_trimtab_plugin_balancer_update(backends: *c.exports_trimtab_plugin_balancer_list_backend_t) void {
    c.exports_trimtab_plugin_balancer_list_backend_free(&table);
    table = backends.*;
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

fn may(index: u32) bool {
    const backend = &table.ptr[index];
    const is_ready = backend.readiness == c.TRIMTAB_PLUGIN_TYPES_READINESS_READY;
    return backend.weight > 0 and is_ready and !c.trimtab_plugin_request_tried(index);
}

fn text(string: c.plugin_string_t) []const u8 {
    return if (string.len == 0) "" else string.ptr[0..string.len];
}

export fn exports_trimtab_plugin_balancer_pick(
    moment: *c.exports_trimtab_plugin_balancer_moment_t,
    verdict: *c.exports_trimtab_plugin_balancer_verdict_t,
) void {
    var name: c.plugin_string_t = undefined;
    c.plugin_string_set(&name, "x-backend");
    var wanted: c.plugin_string_t = undefined;
    const is_named = c.trimtab_plugin_request_header(&name, &wanted);
    defer if (is_named) c.plugin_string_free(&wanted);
    verdict.tag = c.TRIMTAB_PLUGIN_TYPES_VERDICT_PASS;
    const start: u32 = @truncate((moment.random >> 32) *% table.len >> 32);
    for (0..table.len) |step| {
        const index: u32 = @intCast((start + step) % table.len);
        if (!may(index)) continue;
        const is_it = is_named and std.mem.eql(u8, text(table.ptr[index].id), text(wanted));
        if (is_it or verdict.tag == c.TRIMTAB_PLUGIN_TYPES_VERDICT_PASS) {
            verdict.tag = c.TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND;
            verdict.val.backend = index;
        }
        if (is_it or !is_named) break;
    }
}
