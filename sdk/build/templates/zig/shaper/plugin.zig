//! A backend with the label `canary` has half its weight, rounded up, in the eyes of the balancer behind it.
const std = @import("std");
const c = @import("bindings/c.zig");

/// The settings have `process` in them, as those of any shaper: this one does not need it.
export fn exports_trimtab_plugin_shaper_configure(
    settings: *c.plugin_string_t,
    instance: *c.exports_trimtab_plugin_shaper_instance_t,
    _: *c.plugin_string_t,
) bool {
    c.plugin_string_free(settings);
    c.exports_trimtab_plugin_shaper_instance_free(instance);
    return true;
}

fn isCanary(backend: c.exports_trimtab_plugin_shaper_backend_t) bool {
    for (0..backend.labels.len) |i| {
        const key = backend.labels.ptr[i].f0;
        if (key.len > 0 and std.mem.eql(u8, key.ptr[0..key.len], "canary")) return true;
    }
    return false;
}

/// Memory that the bindings free.
fn allocate(comptime T: type, count: usize) []T {
    const memory = std.c.malloc(@max(1, count * @sizeOf(T))) orelse @trap();
    const items: [*]T = @ptrCast(@alignCast(memory));
    return items[0..count];
}

export fn exports_trimtab_plugin_shaper_shape(
    backends: *c.exports_trimtab_plugin_shaper_list_backend_t,
    ret: *c.plugin_list_u32_t,
) void {
    defer c.exports_trimtab_plugin_shaper_list_backend_free(backends);
    const weights = allocate(u32, backends.len);
    for (weights, 0..) |*weight, i| {
        const backend = backends.ptr[i];
        weight.* = if (isCanary(backend)) (backend.weight + 1) / 2 else backend.weight;
    }
    ret.* = .{ .ptr = weights.ptr, .len = weights.len };
}
