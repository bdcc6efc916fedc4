// Answers every request on port 8080.
const std = @import("std");
const linux = std.os.linux;

const body = "hello from Zig";
const answer = std.fmt.comptimePrint(
    "HTTP/1.1 200 OK\r\nContent-Length: {d}\r\nConnection: close\r\n\r\n{s}",
    .{ body.len, body },
);

pub fn main() void {
    const listener: i32 = @intCast(linux.socket(linux.AF.INET, linux.SOCK.STREAM, 0));
    const on: c_int = 1;
    _ = linux.setsockopt(listener, linux.SOL.SOCKET, linux.SO.REUSEADDR, std.mem.asBytes(&on), @sizeOf(c_int));
    const address: linux.sockaddr.in = .{ .port = std.mem.nativeToBig(u16, 8080), .addr = 0 };
    if (linux.bind(listener, @ptrCast(&address), @sizeOf(linux.sockaddr.in)) != 0) return;
    if (linux.listen(listener, 16) != 0) return;
    while (true) {
        const client: i32 = @intCast(@as(isize, @bitCast(linux.accept(listener, null, null))));
        if (client < 0) continue;
        var request: [4096]u8 = undefined;
        if (linux.read(client, &request, request.len) > 0) _ = linux.write(client, answer, answer.len);
        _ = linux.close(client);
    }
}
