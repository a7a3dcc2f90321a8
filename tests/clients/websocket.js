// A WebSocket client by the library `ws`: `websocket.js ORIGIN http1|http2`, an origin such as https://127.0.0.1:8443.

const assert = require('node:assert');
const crypto = require('node:crypto');
const { once } = require('node:events');
const http2 = require('node:http2');
const { WebSocket } = require('ws');

const [origin, protocol] = process.argv.slice(2);

/** By the upgrade of HTTP/1.1. */
async function upgraded() {
  const socket = new WebSocket(origin.replace('http', 'ws') + '/chat', 'chat');
  await once(socket, 'open');
  assert.equal(socket.protocol, 'chat');
  return socket;
}

/** On a stream of HTTP/2 (RFC 8441), which becomes the library's socket. */
async function connected() {
  const session = http2.connect(origin);
  const [settings] = await once(session, 'remoteSettings');
  assert.ok(settings.enableConnectProtocol, 'the server takes extended CONNECT');
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': origin.split(':')[0],
    ':path': '/chat',
    ':authority': new URL(origin).host,
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'chat',
  });
  const [response] = await once(stream, 'response');
  assert.equal(response[':status'], 200);
  assert.equal(response['sec-websocket-protocol'], 'chat');
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 10_000 });
  // Without an address the library takes itself for a server, which does not mask what it sends.
  socket._isServer = false;
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 24 });
  socket.on('close', () => session.close());
  return socket;
}

async function main() {
  const socket = await (protocol === 'http2' ? connected() : upgraded());
  const answer = async (data) => {
    socket.send(data);
    const [message, isBinary] = await once(socket, 'message');
    assert.equal(isBinary, typeof data !== 'string');
    return message;
  };
  assert.equal((await answer('hello')).toString(), 'hello');
  assert.equal((await answer('')).length, 0);
  const large = crypto.randomBytes(1 << 20);
  assert.ok(large.equals(await answer(large)), 'a mebibyte comes back as it was');
  socket.ping('still there?');
  const [pong] = await once(socket, 'pong');
  assert.equal(pong.toString(), 'still there?');
  socket.send('leave');
  const [code, reason] = await once(socket, 'close');
  assert.deepEqual([code, reason.toString()], [4001, 'as you wish']);
  console.log('messages, a ping and the close went through');
}

main();
