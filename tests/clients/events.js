// A client of server-sent events by the library `eventsource`: `events.js ORIGIN http1`.
//
// The server sends an event when the one before was confirmed: nothing would go on if one was held back anywhere.

const assert = require('node:assert');
const { EventSource } = require('eventsource');

const [origin] = process.argv.slice(2);
const client = `?client=${process.pid}`;
const source = new EventSource(`${origin}/events${client}`);
const seen = [];

source.addEventListener('message', async ({ data, lastEventId }) => {
  seen.push(data);
  assert.equal(data, `event ${seen.length === 4 ? 5 : seen.length}`);
  assert.equal(data, `event ${lastEventId}`);
  if (seen.length < 4) {
    assert.equal((await fetch(`${origin}/seen${client}`)).status, 200);
  } else {
    // The stream ended behind the third, and this is another response: it knew which event was the last.
    source.close();
    console.log(`${seen.length} events, and one reconnection`);
  }
});
