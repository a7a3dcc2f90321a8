//! The cookie `backend` has the id of the backend that answered: a request with it goes there again.
const std = @import("std");
const c = @import("bindings/c.zig");

/// The table as it was last told: it is ours, with all that is in it.
var table: c.exports_trimtab_plugin_affinity_list_backend_t = .{ .ptr = null, .len = 0 };

/// The settings have `secret` in them, as those of any affinity: this one does not need it.
export fn exports_trimtab_plugin_affinity_configure(
    settings: *c.plugin_string_t,
    instance: *c.exports_trimtab_plugin_affinity_instance_t,
    plan: *c.exports_trimtab_plugin_affinity_plan_t,
    _: *c.plugin_string_t,
) bool {
    c.plugin_string_free(settings);
    c.exports_trimtab_plugin_affinity_instance_free(instance);
    plan.* = std.mem.zeroes(c.exports_trimtab_plugin_affinity_plan_t);
    return true;
}

export fn exports_trimtab_plugin_affinity_update(backends: *c.exports_trimtab_plugin_affinity_list_backend_t) void {
    c.exports_trimtab_plugin_affinity_list_backend_free(&table);
    table = backends.*;
}

export fn exports_trimtab_plugin_affinity_adjust(
    weights: *c.plugin_list_u32_t,
    readiness: *c.exports_trimtab_plugin_affinity_list_readiness_t,
) void {
    defer c.plugin_list_u32_free(weights);
    defer c.exports_trimtab_plugin_affinity_list_readiness_free(readiness);
    for (0..table.len) |i| table.ptr[i].readiness = readiness.ptr[i];
}

fn text(string: c.plugin_string_t) []const u8 {
    return if (string.len == 0) "" else string.ptr[0..string.len];
}

export fn exports_trimtab_plugin_affinity_find(
    _: *c.exports_trimtab_plugin_affinity_moment_t,
    verdict: *c.exports_trimtab_plugin_affinity_verdict_t,
) void {
    verdict.tag = c.TRIMTAB_PLUGIN_TYPES_VERDICT_PASS;
    var name: c.plugin_string_t = undefined;
    c.plugin_string_set(&name, "backend");
    var bound: c.plugin_string_t = undefined;
    if (!c.trimtab_plugin_request_cookie(&name, &bound)) return;
    defer c.plugin_string_free(&bound);
    for (0..table.len) |i| {
        const backend = &table.ptr[i];
        const index: u32 = @intCast(i);
        if (!std.mem.eql(u8, text(backend.id), text(bound))) continue;
        if (backend.readiness == c.TRIMTAB_PLUGIN_TYPES_READINESS_DOWN or c.trimtab_plugin_request_tried(index)) return;
        verdict.tag = c.TRIMTAB_PLUGIN_TYPES_VERDICT_BACKEND;
        verdict.val.backend = index;
        return;
    }
}

/// Memory that the bindings free.
fn allocate(comptime T: type, count: usize) []T {
    const memory = std.c.malloc(@max(1, count * @sizeOf(T))) orelse @trap();
    const items: [*]T = @ptrCast(@alignCast(memory));
    return items[0..count];
}

export fn exports_trimtab_plugin_affinity_bind(
    _: *c.exports_trimtab_plugin_affinity_moment_t,
    backend: c.exports_trimtab_plugin_affinity_index_t,
    found: ?*c.exports_trimtab_plugin_affinity_index_t,
    headers: *c.plugin_list_tuple2_string_string_t,
) void {
    headers.len = 0;
    if (backend >= table.len or (found != null and found.?.* == backend)) return;
    const id = text(table.ptr[backend].id);
    const pair = &allocate(c.plugin_tuple2_string_string_t, 1)[0];
    const parts = [_][]const u8{ "backend=", id, "; Path=/; HttpOnly; SameSite=Lax" };
    const cookie = allocate(u8, parts[0].len + parts[1].len + parts[2].len);
    var end: usize = 0;
    for (parts) |part| {
        @memcpy(cookie[end..][0..part.len], part);
        end += part.len;
    }
    c.plugin_string_dup(&pair.f0, "set-cookie");
    pair.f1 = .{ .ptr = cookie.ptr, .len = cookie.len };
    headers.* = .{ .ptr = pair, .len = 1 };
}
