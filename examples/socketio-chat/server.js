// One chat server: `server.js NAME PORT` (port 0: any; it is printed). It ends with its standard input.
//
// A plain Socket.IO server, without an adapter: sessions and rooms are in this process' memory and nowhere else. So all
// requests of a session have to come to it, and so have all clients of a room.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { Server } = require('socket.io');

const [name, port] = process.argv.slice(2);

const page = fs.readFileSync(path.join(__dirname, 'page.html'));
const server = http.createServer((request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(page);
});

const io = new Server(server, { pingInterval: 2000, pingTimeout: 4000 });
io.on('connection', (socket) => {
  const room = String(socket.handshake.query.room ?? 'lobby');
  const say = (text) => io.to(room).emit('said', { server: name, room, text });
  socket.join(room);
  socket.emit('welcome', { server: name, room });
  say(`somebody came to ${room}`);
  socket.on('say', say);
});

server.listen(Number(port), '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
