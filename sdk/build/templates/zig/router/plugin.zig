//! A request with the header `x-pool: NAME` goes to that pool, if it is one of the route's; any other to the route's own.
const std = @import("std");
const c = @import("bindings/c.zig");

/// The names of the pools: they are ours.
var names: c.plugin_list_string_t = .{ .ptr = null, .len = 0 };

export fn exports_trimtab_plugin_router_configure(
    settings: *c.plugin_string_t,
    instance: *c.exports_trimtab_plugin_router_instance_t,
    pools: *c.plugin_list_string_t,
    plan: *c.exports_trimtab_plugin_router_plan_t,
    err: *c.plugin_string_t,
) bool {
    defer c.plugin_string_free(settings);
    defer c.exports_trimtab_plugin_router_instance_free(instance);
    names = pools.*;
    if (settings.len != 2) { // {}
        c.plugin_string_dup(err, "there are no settings");
        return false;
    }
    plan.* = std.mem.zeroes(c.exports_trimtab_plugin_router_plan_t);
    return true;
}

fn text(string: c.plugin_string_t) []const u8 {
    return if (string.len == 0) "" else string.ptr[0..string.len];
}

export fn exports_trimtab_plugin_router_route(
    _: *c.exports_trimtab_plugin_router_moment_t,
    destination: *c.exports_trimtab_plugin_router_destination_t,
) void {
    destination.tag = c.EXPORTS_TRIMTAB_PLUGIN_ROUTER_DESTINATION_PASS;
    var name: c.plugin_string_t = undefined;
    c.plugin_string_set(&name, "x-pool");
    var wanted: c.plugin_string_t = undefined;
    if (!c.trimtab_plugin_request_header(&name, &wanted)) return;
    defer c.plugin_string_free(&wanted);
    for (0..names.len) |position| {
        if (!std.mem.eql(u8, text(names.ptr[position]), text(wanted))) continue;
        destination.tag = c.EXPORTS_TRIMTAB_PLUGIN_ROUTER_DESTINATION_POOL;
        destination.val.pool = @intCast(position);
        return;
    }
}
