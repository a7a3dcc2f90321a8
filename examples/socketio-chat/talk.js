// Clients of the chat, without a browser: `talk.js [ORIGIN [ROOMS [CLIENTS]]]`, so many clients in each of so many rooms.
//
// Each begins with long-polling and is upgraded to a WebSocket, as a browser is, and keeps cookies, as a browser does. When
// all of a room are there, the first says something, and everybody has to hear it. Prints which server has which room;
// fails when a session was lost or somebody heard nothing.

const { io } = require('socket.io-client');

const [origin = 'http://127.0.0.1:8080', rooms = 6, clients = 4] = process.argv.slice(2);

/** A client that is in its room and has been upgraded. */
function join(room) {
  return new Promise((resolve, reject) => {
    const socket = io(origin, { query: { room }, withCredentials: true, forceNew: true, reconnection: false });
    const fail = (error) => reject(new Error(`${room}: ${error.context?.responseText ?? error.message ?? error}`));
    socket.on('connect_error', fail);
    socket.on('disconnect', (reason, details) => fail(details ?? reason));
    const welcome = new Promise((welcomed) => socket.on('welcome', welcomed));
    socket.io.on('open', () => {
      const { engine } = socket.io;
      if (engine.transport.name !== 'polling') fail('it did not begin with long-polling');
      engine.on('upgrade', async () => resolve({ socket, server: (await welcome).server }));
    });
  });
}

/** Everybody in a room hears what one of them says. */
async function talk(room) {
  const members = await Promise.all(Array.from({ length: clients }, () => join(room)));
  const heard = members.map(
    ({ socket }) => new Promise((hears) => socket.on('said', ({ text }) => text === `hello ${room}` && hears())),
  );
  members[0].socket.emit('say', `hello ${room}`);
  await Promise.all(heard);
  const servers = [...new Set(members.map(({ server }) => server))];
  members.forEach(({ socket }) => socket.off('disconnect').close());
  return servers;
}

async function main() {
  for (let number = 1; number <= rooms; number += 1) {
    const room = `room-${number}`;
    console.log(`${room}: ${await talk(room)}`);
  }
}

/** Who cannot get on within this time will not. */
setTimeout(() => {
  console.error('somebody heard nothing');
  process.exit(1);
}, 30_000).unref();
main().then(
  () => process.exit(),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
