//! A ring of points: each backend has some, and a key belongs to the next one (Karger and others, 1997).
const std = @import("std");

/// Points of a backend.
const points_each = 16;

pub const Point = struct {
    at: u64,
    backend: u32,

    fn isBefore(_: void, a: Point, b: Point) bool {
        return if (a.at == b.at) a.backend < b.backend else a.at < b.at;
    }
};

/// Points of these, by the hash of their ids: where an id is in the table does not matter.
pub fn build(allocator: std.mem.Allocator, ids: []const []const u8) ![]Point {
    const points = try allocator.alloc(Point, ids.len * points_each);
    for (ids, 0..) |id, backend| {
        for (0..points_each) |number| {
            const at = std.hash.XxHash64.hash(number, id);
            points[backend * points_each + number] = .{ .at = at, .backend = @intCast(backend) };
        }
    }
    std.mem.sortUnstable(Point, points, {}, Point.isBefore);
    return points;
}

/// The position of the first point at or after a key, or of the first of all.
pub fn first(points: []const Point, key: u64) usize {
    var low: usize = 0;
    var high = points.len;
    while (low < high) {
        const middle = low + (high - low) / 2;
        if (points[middle].at < key) low = middle + 1 else high = middle;
    }
    return if (low == points.len) 0 else low;
}

/// How many requests a backend of this weight may have, where so many are in flight and one more comes: its share, and a
/// part more (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018).
pub fn bound(epsilon: f64, in_flight: u32, weight: u32, weights: u64) u32 {
    const share = (@as(f64, @floatFromInt(in_flight)) + 1) * @as(f64, @floatFromInt(weight)) / @as(f64, @floatFromInt(weights));
    return @intFromFloat(@min(@ceil((1 + epsilon) * share), 4e9));
}

test "a backend that goes moves only its own keys" {
    const allocator = std.testing.allocator;
    const before = try build(allocator, &.{ "a", "b", "c", "d" });
    defer allocator.free(before);
    const after = try build(allocator, &.{ "a", "b", "d" });
    defer allocator.free(after);
    const ids = [_]u8{ 'a', 'b', 'd' };
    var random = std.Random.DefaultPrng.init(1);
    var moved: u32 = 0;
    for (0..10_000) |_| {
        const key = random.random().int(u64);
        const was = "abcd"[before[first(before, key)].backend];
        const is = ids[after[first(after, key)].backend];
        if (was == 'c') moved += 1 else try std.testing.expectEqual(was, is);
    }
    try std.testing.expect(moved > 1000 and moved < 4000);
}

test "a bound is a share and a part more" {
    try std.testing.expectEqual(2, bound(0.25, 9, 1, 10)); // 10 on 10: one each, rounded up with the part
    try std.testing.expectEqual(13, bound(0.25, 99, 1, 10));
    try std.testing.expectEqual(25, bound(0.25, 99, 2, 10));
    try std.testing.expectEqual(1, bound(0.25, 0, 1, 10));
}
