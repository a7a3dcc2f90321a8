// A server for real clients, by Node's own HTTP and the library `ws`: `server.js http1|http2 [CERTIFICATE KEY]`.
//
// Prints its port, and ends with its standard input. It has
//   /hello          a greeting
//   /echo           the request's body
//   /events?client  server-sent events: each is sent when the client has confirmed the one before, at /seen?client
//   /chat           a WebSocket that echoes, by HTTP/1.1's upgrade or RFC 8441

const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const { WebSocket, WebSocketServer } = require('ws');

const [protocol, cert, key] = process.argv.slice(2);
const tls = cert && { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
const settings = { enableConnectProtocol: true };
const server =
  protocol === 'http2'
    ? tls
      ? http2.createSecureServer({ ...tls, settings })
      : http2.createServer({ settings })
    : tls
      ? https.createServer(tls)
      : http.createServer();

/** Events of each client that waits for more: what sends the next. */
const streams = new Map();

server.on('request', (request, response) => {
  const { pathname, search } = new URL(request.url, 'http://server');
  switch (pathname) {
    case '/hello':
      response.end(`hello over HTTP/${request.httpVersion}\n`);
      break;
    case '/echo':
      request.pipe(response);
      break;
    case '/events':
      events(request, response, search);
      break;
    case '/seen':
      streams.get(search)();
      response.end();
      break;
    default:
      response.statusCode = 404;
      response.end();
  }
});

/** After the third event the response ends: the client comes again, and says which event was the last. */
function events(request, response, client) {
  let number = Number(request.headers['last-event-id'] ?? 0);
  const next = () => {
    if (number === 3) {
      response.end();
      return;
    }
    number += 1;
    response.write(`id: ${number}\ndata: event ${number}\n\n`);
  };
  streams.set(client, next);
  response.setHeader('content-type', 'text/event-stream');
  response.setHeader('cache-control', 'no-store');
  // The client decides when to come again, so this is short.
  response.write('retry: 10\n\n');
  if (number === 3) number += 1;
  next();
}

function chat(socket) {
  socket.on('message', (data, isBinary) => {
    if (!isBinary && data.toString() === 'leave') {
      socket.close(4001, 'as you wish');
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
}

const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'chat', perMessageDeflate: true });
server.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, chat));

// RFC 8441: the stream is the socket, and no key is exchanged.
server.on('connect', (request, response) => {
  if (request.headers[':protocol'] !== 'websocket') {
    response.statusCode = 400;
    response.end();
    return;
  }
  request.stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 10_000 });
  socket.setSocket(request.stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 24 });
  request.stream.resume();
  chat(socket);
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
