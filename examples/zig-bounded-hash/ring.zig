//! A ring of points: each backend has some, and a key belongs to the next one (Karger and others, 1997).
const std = @import("std");

/// Points of a backend whose weight is the mean.
const points_each = 16;

pub const Member = struct { id: []const u8, weight: u32 };

pub const Point = struct {
    at: u64,
    backend: u32,

    fn isBefore(_: void, a: Point, b: Point) bool {
        return if (a.at == b.at) a.backend < b.backend else a.at < b.at;
    }
};

/// Points of these, by the hash of their ids: where an id is in the table does not matter. The more weight, the more of
/// them; one at least, and none without weight.
pub fn build(allocator: std.mem.Allocator, members: []const Member) ![]Point {
    var weights: u64 = 0;
    var count: u64 = 0;
    for (members) |member| {
        weights += member.weight;
        count += @intFromBool(member.weight > 0);
    }
    var total: usize = 0;
    for (members) |member| total += pointsOf(member, weights, count);
    const points = try allocator.alloc(Point, total);
    var next: usize = 0;
    for (members, 0..) |member, backend| {
        for (0..pointsOf(member, weights, count)) |number| {
            points[next] = .{ .at = std.hash.XxHash64.hash(number, member.id), .backend = @intCast(backend) };
            next += 1;
        }
    }
    std.mem.sortUnstable(Point, points, {}, Point.isBefore);
    return points;
}

fn pointsOf(member: Member, weights: u64, count: u64) usize {
    if (member.weight == 0) return 0;
    return @intCast(@max(1, (points_each * count * member.weight + weights / 2) / weights));
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

/// Which one a key belongs to, of members that are named by a letter each.
fn owner(members: []const Member, points: []const Point, key: u64) u8 {
    return members[points[first(points, key)].backend].id[0];
}

fn named(id: []const u8, weight: u32) Member {
    return .{ .id = id, .weight = weight };
}

test "a backend that goes moves only its own keys, as does one whose weight is 0" {
    const allocator = std.testing.allocator;
    const all = [_]Member{ named("a", 1), named("b", 1), named("c", 1), named("d", 1) };
    const before = try build(allocator, &all);
    defer allocator.free(before);
    const without = [_]Member{ all[0], all[1], all[3] };
    const weightless = [_]Member{ all[0], all[1], named("c", 0), all[3] };
    for ([_][]const Member{ &without, &weightless }) |rest| {
        const after = try build(allocator, rest);
        defer allocator.free(after);
        var random = std.Random.DefaultPrng.init(1);
        var moved: u32 = 0;
        for (0..10_000) |_| {
            const key = random.random().int(u64);
            const was = owner(&all, before, key);
            const is = owner(rest, after, key);
            try std.testing.expect(is != 'c');
            if (was == 'c') moved += 1 else try std.testing.expectEqual(was, is);
        }
        try std.testing.expect(moved > 1000 and moved < 4000);
    }
}

test "keys are spread by weight" {
    const allocator = std.testing.allocator;
    const all = [_]Member{ named("a", 1), named("b", 1), named("c", 98) };
    const points = try build(allocator, &all);
    defer allocator.free(points);
    var random = std.Random.DefaultPrng.init(1);
    var heavy: u32 = 0;
    for (0..10_000) |_| heavy += @intFromBool(owner(&all, points, random.random().int(u64)) == 'c');
    try std.testing.expect(heavy > 9_000);
    // However large they are, they are no more points than these.
    const extreme = [_]Member{ named("a", 65_535), named("b", 1), named("c", 0) };
    const few = try build(allocator, &extreme);
    defer allocator.free(few);
    try std.testing.expectEqual(2 * points_each + 1, few.len);
    const none = try build(allocator, extreme[2..]);
    defer allocator.free(none);
    try std.testing.expectEqual(0, none.len);
}

test "a bound is a share and a part more" {
    try std.testing.expectEqual(2, bound(0.25, 9, 1, 10)); // 10 on 10: one each, rounded up with the part
    try std.testing.expectEqual(13, bound(0.25, 99, 1, 10));
    try std.testing.expectEqual(25, bound(0.25, 99, 2, 10));
    try std.testing.expectEqual(1, bound(0.25, 0, 1, 10));
}
